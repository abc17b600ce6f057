import { describe, expect, it } from '@jest/globals';

import { type DateOrder, DateRanks, placeTime, readTime, zoneNamed } from './times.ts';

const utc = zoneNamed('UTC');

/** In ISO form, or what else became of the text. */
function at(text: string, { order, zone }: { order?: DateOrder; zone?: string } = {}): string | undefined {
  const written = readTime(text);
  const placed = written && placeTime(written, order ?? 'day/month', zoneNamed(zone ?? 'UTC'));
  if (!placed) return undefined;
  return placed.kind === 'instant'
    ? new Date(placed.at).toISOString()
    : `date ${new Date(placed.midnight).toISOString()}`;
}

describe('times', () => {
  it.each([
    ['2021-06-25 15:48:59 CET', '2021-06-25T14:48:59.000Z'],
    ['2021-06-25T15:48:59Z', '2021-06-25T15:48:59.000Z'],
    ['2021-06-25T15:48:59.1239+02:00', '2021-06-25T13:48:59.123Z'],
    ['2021-06-25 15:48:59 +0530', '2021-06-25T10:18:59.000Z'],
    ['2021/06/25 15:48', '2021-06-25T15:48:00.000Z'],
    ['25.06.2021 15:48', '2021-06-25T15:48:00.000Z'],
    ['5/12/2021 3:04:05 PM', '2021-12-05T15:04:05.000Z'],
    ['5/12/2021 12:00 am', '2021-12-05T00:00:00.000Z'],
    ['1624632539', '2021-06-25T14:48:59.000Z'],
    ['1624632539123', '2021-06-25T14:48:59.123Z'],
    ['10/10/2021', 'date 2021-10-10T00:00:00.000Z'],
    ['13/01/2022', 'date 2022-01-13T00:00:00.000Z'],
    ['2022-01-13', 'date 2022-01-13T00:00:00.000Z'],
  ])('reads %j', (text, expected) => expect(at(text)).toBe(expected));

  it.each([
    '',
    'created_at',
    '31/02/2021',
    '2021-13-01',
    '10/10/21',
    '2021-06-25 24:00',
    '2021-06-25 13:00 PM',
    '12:30',
  ])('does not read %j', (text) => expect(at(text)).toBeUndefined());

  it('reads day and month in the order it is told', () => {
    expect(at('5/12/2021')).toBe('date 2021-12-05T00:00:00.000Z');
    expect(at('5/12/2021', { order: 'month/day' })).toBe('date 2021-05-12T00:00:00.000Z');
    expect(at('13/12/2021', { order: 'month/day' })).toBeUndefined();
  });

  it('applies the zone only where a time names none', () => {
    expect(at('2021-06-25 15:00', { zone: 'CET' })).toBe('2021-06-25T14:00:00.000Z');
    expect(at('2021-06-25 15:00', { zone: '-05:00' })).toBe('2021-06-25T20:00:00.000Z');
    expect(at('2021-06-25 15:00Z', { zone: 'CET' })).toBe('2021-06-25T15:00:00.000Z');
  });

  it('follows the clocks of a place through the year', () => {
    const zone = 'Europe/Berlin';
    expect(at('2021-06-25 15:00', { zone })).toBe('2021-06-25T13:00:00.000Z');
    expect(at('2021-12-25 15:00', { zone })).toBe('2021-12-25T14:00:00.000Z');
    expect(at('2021-03-28 03:30', { zone })).toBe('2021-03-28T01:30:00.000Z');
    expect(at('2021-03-28 01:30', { zone })).toBe('2021-03-28T00:30:00.000Z');
  });

  it.each(['IST', 'CST', 'Mars/Olympus', 'tomorrow', ''])('refuses the zone %j', (name) => {
    expect(() => zoneNamed(name)).toThrow('does not name one zone');
  });
});

describe('DateRanks', () => {
  const midnight = Date.UTC(2021, 9, 10);

  it('gives the rows of a date a second each, in their order', () => {
    const ranks = new DateRanks(new Map([[midnight, 3]]), zoneNamed('CET'));
    const instants = [1, 2, 3].map(() => new Date(ranks.next(midnight)).toISOString());
    expect(instants).toEqual([
      '2021-10-09T23:00:00.000Z',
      '2021-10-09T23:00:01.000Z',
      '2021-10-09T23:00:02.000Z',
    ]);
  });

  it('keeps more rows than a day has seconds apart, and within the day', () => {
    const count = 200_000;
    const ranks = new DateRanks(new Map([[midnight, count]]), utc);
    const instants = Array.from({ length: count }, () => ranks.next(midnight));
    expect(new Set(instants).size).toBe(count);
    expect(instants.at(-1)).toBeLessThan(midnight + 86_400_000);
  });
});
