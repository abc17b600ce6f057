import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { headerOf, type Row, rowsOf } from './file.ts';
import { survey } from './survey.ts';
import { zoneNamed } from './times.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'aquaponia-survey-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(content: string): string {
  const path = join(folder, 'history.csv');
  writeFileSync(path, content);
  return path;
}

const surveyOf = (times: string[], order?: 'day/month' | 'month/day') =>
  survey(fileOf(['time,ph', ...times.map((time) => `${time},7`)].join('\n')), 0, zoneNamed('UTC'), order);

describe('survey', () => {
  it('proves the order of day and month by a date that has no other reading', async () => {
    expect(await surveyOf(['5/12/2021', '13/12/2021'])).toMatchObject({
      order: 'day/month',
      orderBecause: 'line 3 has "13/12/2021"',
    });
    expect(await surveyOf(['5/12/2021', '12/13/2021'])).toMatchObject({ order: 'month/day' });
  });

  it('falls back on the order in which time runs forward', async () => {
    const forward = await surveyOf(['10/11/2021', '11/11/2021', '12/11/2021', '1/12/2021']);
    expect(forward).toMatchObject({ order: 'day/month', backwards: { rows: 0 } });
    expect(forward.orderBecause).toContain('the other way, time would run backwards');
    expect(await surveyOf(['2021-05-01 10:00', '5/12/2021', '6/1/2021'])).toMatchObject({
      order: 'month/day',
    });
  });

  it('asks where the file leaves the order open or contradicts itself, and takes the answer', async () => {
    await expect(surveyOf(['5/12/2021'])).rejects.toThrow('say which it is with --dates');
    await expect(surveyOf(['13/12/2021', '12/13/2021'])).rejects.toThrow('The dates contradict one another');
    expect(await surveyOf(['5/12/2021'], 'month/day')).toMatchObject({ order: 'month/day' });
    expect(await surveyOf(['10/10/2021'])).toMatchObject({ orderBecause: null });
  });

  it('counts rows, rows of a date, and rows that run back in time', async () => {
    const times = ['2021-10-10 12:00', '10/10/2021', '10/10/2021', '12/10/2021', '11/10/2021', 'junk'];
    const found = await surveyOf(times, 'day/month');
    expect(found).toMatchObject({ rows: 6, order: 'day/month', backwards: { rows: 1, firstLine: 6 } });
    expect(found.rowsPerDate.get(Date.UTC(2021, 9, 10))).toBe(2);
  });

  it('explains files that cannot be imported', async () => {
    await expect(surveyOf(['junk'])).rejects.toThrow('line 2 has "junk"');
    await expect(surveyOf([])).rejects.toThrow('has no rows below its first line');
    await expect(surveyOf(['2021-10-10 12:00 IST'])).rejects.toThrow('"IST" does not name one zone');
    await expect(headerOf(join(folder, 'nothing.csv'))).rejects.toThrow('There is no file');
    await expect(headerOf(fileOf(''))).rejects.toThrow('is empty');
    await expect(headerOf(folder)).rejects.toThrow('EISDIR');
  });
});

describe('rowsOf', () => {
  async function rowsIn(content: string): Promise<Row[]> {
    const rows: Row[] = [];
    for await (const row of rowsOf(fileOf(content))) rows.push(row);
    return rows;
  }

  it('finds the separator, and drops a byte order mark, empty lines and carriage returns', async () => {
    expect(await rowsIn('\ufefftime;ph\r\n\r\n2021-10-10;7,1\r\n')).toEqual([
      { cells: ['time', 'ph'], line: 1 },
      { cells: ['2021-10-10', '7,1'], line: 3 },
    ]);
    expect((await rowsIn('time\tph\n1\t2'))[1]!.cells).toEqual(['1', '2']);
    expect((await rowsIn('time,"ph, water"\n"1",2'))[0]!.cells).toEqual(['time', 'ph, water']);
  });

  it('explains a quote that never ends', async () => {
    await expect(rowsIn('time,ph\n"2021-10-10,7\n')).rejects.toThrow('cannot be read to its end');
  });
});
