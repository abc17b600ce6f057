import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { ADMIN_KEY, GREENHOUSE, Server } from './helpers/server.js';

const ROOT = resolve(import.meta.dirname, '..');
const PONDS = join(process.env.AQUAPONIA_DATA ?? resolve(ROOT, '../shared/data'), 'ponds');
/** So many that an import can be stopped within. */
const LONG_ROWS = 30_000;
const LONG_MS = 60_000;

interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

let server: Server;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aquaponia-import-'));
  // It must come back where it was.
  server = await Server.start({ PORT: String(await freePort()) });
  await server.post('/v1/systems', GREENHOUSE);
});

afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The command as a user's shell runs it, with its state kept in the test's folder. */
class Import {
  stdout = '';
  stderr = '';
  private readonly child: ChildProcess;

  constructor(args: string[], environment: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [join(ROOT, 'tools/import.ts'), ...args, '--url', server.url], {
      env: { PATH: process.env.PATH, XDG_STATE_HOME: folder, AQUAPONIA_KEY: ADMIN_KEY, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  async end(): Promise<Finished> {
    const [code] = (await once(this.child, 'close')) as [number | null];
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Ends it by a signal as soon as a part of the file is acknowledged. */
  async stopInTheMiddle(signal: NodeJS.Signals): Promise<Finished> {
    await server.until(() => checkpoints().length > 0, 'a batch is acknowledged');
    this.child.kill(signal);
    return this.end();
  }
}

const run = (...args: string[]): Promise<Finished> => new Import(args).end();

function checkpoints(): string[] {
  const kept = join(folder, 'aquaponia/imports');
  return existsSync(kept) ? readdirSync(kept).filter((name) => name.endsWith('.json')) : [];
}

function fileOf(name: string, lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

const longFile = (name: string, from: string): string =>
  fileOf(name, [
    'time,pH',
    ...Array.from(
      { length: LONG_ROWS },
      (_, row) => `${new Date(Date.parse(from) + 1000 * row).toISOString()},7.${row}`,
    ),
  ]);

/** The row of a sensor in the table: stored with a value (good or suspect), stored bad, duplicate, refused, not posted. */
function fatesOf(sensor: string, { stdout }: Finished): number[] {
  const line = stdout.split('\n').find((text) => new RegExp(`^${sensor} +\\d`).test(text));
  const [good, suspect, ...others] = line!.split(/ +/).slice(1).map(Number);
  return [good! + suspect!, ...others];
}

/** Of all sensors. */
const suspectsOf = ({ stdout }: Finished): number =>
  Number(/^all +\d+ +(?<suspect>\d+)/m.exec(stdout)!.groups!.suspect);

describe('npm run import', () => {
  const mixed = [
    'created_at,entry_id,TEMPERATURE,pH,Lenght',
    '2021-06-25 15:48:59 CET,1,27.125,6.9,13.45',
    '2021-06-25 15:49:19 CET,2,-127,inf,',
    '2021-06-25 15:49:19 CET,3,27.5,inf,13.5',
    '13/10/2021,4,26.5,"6,8",13.6',
    '13/10/2021,5,26.75,nan,13.7',
    'not a time,6,26.75,7,13.7',
    '14/10/2021,7,26.75,7',
  ];
  const map = [
    '--map',
    'temperature=water-temperature,pH=ph',
    '--map',
    'Length|Lenght=fish-length',
    '--create-sensors',
  ];

  it('stores what a mixed file says, and accounts for each of its cells', async () => {
    const file = fileOf('mixed.csv', mixed);
    const first = await run(file, '--system', 'greenhouse', ...map, '--zone', 'CET');
    expect(first.stderr).toContain('Dates are read as day/month/year: line 5 has "13/10/2021".');
    expect(first.code).toBe(0);
    expect(fatesOf('water-temperature', first)).toEqual([3, 1, 0, 1, 0]);
    expect(fatesOf('ph', first)).toEqual([1, 2, 1, 0, 1]);
    expect(fatesOf('fish-length', first)).toEqual([4, 0, 0, 0, 1]);
    expect(first.stdout).toMatch(/ph +1 {2}stored bad: no-value \(inf\)/);
    expect(first.stdout).toMatch(/ph +1 {2}stored bad: no-value \(nan\)/);
    expect(first.stdout).toContain('refused: READING.CONFLICT');
    expect(first.stdout).toContain('not posted: not a number (first: line 5, "6,8")');
    expect(first.stdout).toContain('1: the time cannot be read (first: line 7, "not a time")');
    expect(first.stdout).toContain('1: other than the 5 cells of the first line (first: line 8, 4)');
    expect(first.stdout).toMatch(/rows with only a date +2: /);
    expect(first.stdout).toMatch(/ignored columns +entry_id/);

    const answer = await server.get(
      '/v1/systems/greenhouse/sensors/water-temperature/readings?from=2021-06-01T00:00:00Z&to=2021-12-01T00:00:00Z',
    );
    expect((answer.body as { readings: unknown }).readings).toMatchObject([
      { observedAt: '2021-06-25T14:48:59.000Z', value: 27.125 },
      { observedAt: '2021-06-25T14:49:19.000Z', value: null, raw: -127 },
      { observedAt: '2021-10-12T23:00:00.000Z', value: 26.5 },
      { observedAt: '2021-10-12T23:00:01.000Z', value: 26.75 },
    ]);

    const again = await run(file, '--system', 'greenhouse', ...map, '--zone', 'CET');
    expect(fatesOf('all', again)).toEqual([0, 0, 12, 1, 2]);
    expect(checkpoints()).toEqual([]);
  });

  it('counts a batch of which the service takes nothing, and goes on', async () => {
    const file = fileOf('future.csv', ['time,pH', '2090-01-01T00:00:00Z,7', '1999-01-01T00:00:00Z,7']);
    const finished = await run(file, '--system', 'greenhouse', '--map', 'pH=ph');
    expect(finished.code).toBe(0);
    expect(fatesOf('ph', finished)).toEqual([0, 0, 0, 2, 0]);
    expect(finished.stdout).toMatch(/1 {2}refused: READING.FUTURE[^]*1 {2}refused: READING.TOO_OLD/);
  });

  it.each([
    [
      'a column',
      ['--system', 'greenhouse', '--map', 'salt=ph'],
      'There is no column "salt"; the file has "created_at"',
    ],
    [
      'a sensor',
      ['--system', 'greenhouse', '--map', 'pH=turbidity'],
      'has no sensor turbidity: add --create-sensors',
    ],
    [
      'a quantity',
      ['--system', 'greenhouse', '--map', 'pH=ph-2', '--create-sensors'],
      'make ph-2 with POST /v1/systems',
    ],
    ['a system', ['--system', 'nowhere', '--map', 'pH=ph'], 'SYSTEM.NOT_FOUND'],
    ['an option', ['--sistem', 'greenhouse'], "Unknown option '--sistem'"],
    ['a zone', ['--system', 'greenhouse', '--map', 'pH=ph', '--zone', 'IST'], '"IST" does not name one zone'],
  ])('says in one sentence that %s is not known', async (_, args, sentence) => {
    const finished = await run(fileOf('mixed.csv', mixed), ...args);
    expect(finished.stderr).toContain(sentence);
    expect(finished.stderr.trim().split('\n')).toHaveLength(1);
    expect(finished).toMatchObject({ code: 1, stdout: '' });
  });

  it('asks for a key, and never shows one', async () => {
    const args = [fileOf('mixed.csv', mixed), '--system', 'greenhouse', '--map', 'pH=ph'];
    const without = await new Import(args, { AQUAPONIA_KEY: '' }).end();
    expect(without.stderr).toContain('KEY.MISSING');
    const wrong = await new Import(args, { AQUAPONIA_KEY: 'wrong-key\nof-mine' }).end();
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).not.toContain('of-mine');
  });

  it(
    'goes on where it was killed',
    async () => {
      const args = [
        longFile('killed.csv', '2022-01-01T00:00:00Z'),
        '--system',
        'greenhouse',
        '--map',
        'pH=ph',
      ];
      const killed = await new Import(args).stopInTheMiddle('SIGKILL');
      expect(killed.code).toBeNull();
      const resumed = await run(...args);
      expect(resumed.code).toBe(0);
      const doneBefore = Number(/Going on after row (\d+)/.exec(resumed.stderr)![1]);
      expect(doneBefore).toBeLessThan(LONG_ROWS);
      const [good, , duplicates] = fatesOf('ph', resumed);
      // The batch that was under way when it was killed may be stored without being acknowledged.
      expect(duplicates).toBeLessThanOrEqual(1000);
      expect(good! + duplicates!).toBe(LONG_ROWS);
      expect(await countStored('2022-01-01T00:00:00Z')).toBe(LONG_ROWS);
      expect(checkpoints()).toEqual([]);
    },
    LONG_MS,
  );

  it(
    'stops at Ctrl-C, says how to go on, and then counts nothing twice',
    async () => {
      const args = [
        longFile('stopped.csv', '2022-02-01T00:00:00Z'),
        '--system',
        'greenhouse',
        '--map',
        'pH=ph',
      ];
      const stopped = await new Import(args).stopInTheMiddle('SIGINT');
      expect(stopped.code).toBe(130);
      expect(stopped.stderr).toMatch(/Stopped. \d+ of 30000 rows are in: run the same command again/);
      const resumed = await run(...args);
      expect(fatesOf('ph', resumed)).toEqual([LONG_ROWS, 0, 0, 0, 0]);
    },
    LONG_MS,
  );

  it(
    'survives a service that goes away: it waits a while, says so, and goes on later',
    async () => {
      const args = [longFile('away.csv', '2022-03-01T00:00:00Z'), '--system', 'greenhouse', '--map', 'pH=ph'];
      const impatient = new Import([...args, '--patience', '1']);
      await server.until(() => checkpoints().length > 0, 'a batch is acknowledged');
      await server.signal('SIGKILL');
      const { code, stderr } = await impatient.end();
      expect(code).toBe(1);
      expect(stderr).toMatch(/does not answer \(.+\); trying again/);
      expect(stderr).toMatch(/it was tried for 1 s\. \d+ of 30000 rows are in: run the same command again/);

      const patient = new Import(args);
      await server.until(() => patient.stderr.includes('trying again'), 'it waits for the service');
      await server.launch();
      const resumed = await patient.end();
      expect(resumed.code).toBe(0);
      expect(await countStored('2022-03-01T00:00:00Z')).toBe(LONG_ROWS);
    },
    LONG_MS,
  );

  async function countStored(from: string): Promise<number> {
    const to = new Date(Date.parse(from) + 1000 * LONG_ROWS).toISOString();
    const path = `/v1/systems/greenhouse/series?sensor=ph&from=${from}&to=${to}&bucket=3600`;
    const { series } = (await server.get(path)).body as {
      series: { buckets: Record<'count' | 'suspect' | 'bad', number>[] }[];
    };
    return series[0]!.buckets.reduce((sum, { count, suspect, bad }) => sum + count + suspect + bad, 0);
  }
});

const hasPonds = existsSync(PONDS);
if (!hasPonds)
  process.stderr.write(`The real ponds are not imported: ${PONDS} is not there (set AQUAPONIA_DATA).\n`);
/** Known faults of the real files, counted by hand: stored bad for each sensor, and blank cells. */
const KNOWN = [
  {
    pond: '10',
    rows: 620,
    dateOnly: 310,
    bad: {
      'water-temperature': 20,
      turbidity: 316,
      ph: 28,
      'total-ammonia-nitrogen': 67,
      'dissolved-oxygen': 344,
    },
    blank: 0,
  },
  {
    pond: '11',
    rows: 3165,
    dateOnly: 2538,
    bad: {
      'water-temperature': 34,
      turbidity: 29,
      ph: 33,
      'total-ammonia-nitrogen': 989,
      'dissolved-oxygen': 1551,
    },
    blank: 1,
  },
];
/** A probe that says 0 °C between 27 and 27, oxygen that leaps by half of what water holds: kept, and not acted on. */
const MOST_SUSPECTS = 10;
const POND_MAP = [
  'TEMPERATURE=water-temperature,TURBIDITY=turbidity,DISOLVED OXYGEN=dissolved-oxygen,pH=ph',
  'AMMONIA=total-ammonia-nitrogen,NITRATE=nitrate,Population=fish-count,Length|Lenght=fish-length,Weight=fish-weight',
];

(hasPonds ? describe : describe.skip)(
  `real ponds${hasPonds ? '' : `: skipped, ${PONDS} is not there`}`,
  () => {
    it.each(KNOWN)(
      'finds every fault of pond $pond and loses no good cell',
      async ({ pond, rows, dateOnly, bad, blank }) => {
        await server.post('/v1/systems', { ...GREENHOUSE, id: `pond${pond}` });
        const map = POND_MAP.flatMap((pairs) => ['--map', pairs]);
        const file = join(PONDS, `IoTPond${pond}.csv`);
        const finished = await run(
          file,
          '--system',
          `pond${pond}`,
          ...map,
          '--create-sensors',
          '--zone',
          'CET',
        );
        expect(finished.stderr).toContain('Dates are read as day/month/year');
        const expectedBad: Record<string, number> = bad;
        for (const sensor of [...Object.keys(bad), 'nitrate', 'fish-count', 'fish-length', 'fish-weight']) {
          const faults = expectedBad[sensor] ?? 0;
          const blanks = sensor === 'total-ammonia-nitrogen' ? blank : 0;
          expect([sensor, ...fatesOf(sensor, finished)]).toEqual([
            sensor,
            rows - faults - blanks,
            faults,
            0,
            0,
            blanks,
          ]);
        }
        expect(suspectsOf(finished)).toBeLessThanOrEqual(MOST_SUSPECTS);
        expect(finished.stdout).toMatch(new RegExp(`rows with only a date +${dateOnly}: `));
      },
    );
  },
);
