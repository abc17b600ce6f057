import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { ask, Postgres } from './helpers/postgres.js';
import { GREENHOUSE, Server } from './helpers/server.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const START = Date.UTC(2026, 2, 28);

interface Posted {
  sensor: string;
  value: number | null;
  observedAt: string;
}

const at = (minute: number): string => new Date(START + minute * MINUTE_MS).toISOString();

/** The same on both stores; on PostgreSQL a second process works on the same data. */
describe.each(['sqlite', 'postgres'] as const)('readings on %s', (kind) => {
  let postgres: Postgres | undefined;
  let url = '';
  let servers: Server[];

  beforeAll(async () => {
    if (kind === 'postgres') {
      postgres = await Postgres.start();
      url = await postgres.database();
    }
    const env: Record<string, string> = url ? { DATABASE_URL: url } : {};
    servers = await Promise.all(Array.from({ length: url ? 2 : 1 }, () => Server.start(env)));
    await servers[0]!.post('/v1/systems', { ...GREENHOUSE, timeZone: 'Europe/Berlin' });
  }, 60_000);

  afterAll(async () => {
    for (const server of servers) await server.stop();
    await postgres?.stop();
  });

  const select = <Row>(sql: string): Promise<Row[]> => {
    if (url) return ask(url, sql) as Promise<Row[]>;
    const database = new DatabaseSync(join(servers[0]!.dataDir, 'aquaponia.db'), { readOnly: true });
    try {
      return Promise.resolve(database.prepare(sql).all() as Row[]);
    } finally {
      database.close();
    }
  };

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const post = async (readings: Posted[], server = servers[0]!): Promise<any> =>
    (await server.post('/v1/systems/greenhouse/readings', { readings })).body;

  const outcomesOf = (body: { results: { outcome: string }[] }): string[] =>
    body.results.map(({ outcome }) => outcome);

  it('knows the same reading again: in a batch, in the next, and late', async () => {
    const reading = (minute: number, value: number | null): Posted => ({
      sensor: 'ph',
      value,
      observedAt: at(minute),
    });
    const body = await post([
      reading(10, 6.8),
      reading(10, 6.8),
      reading(10, 6.9),
      reading(5, 6.7),
      reading(12, null),
    ]);
    expect(outcomesOf(body)).toEqual(['stored', 'duplicate', 'refused', 'stored', 'stored']);
    expect(body.results[2].error.code).toBe('READING.CONFLICT');
    const again = await post([
      reading(12, null),
      reading(5, 6.7),
      reading(7, 6.7),
      reading(12, 7),
      reading(13, 7),
    ]);
    expect(outcomesOf(again)).toEqual(['duplicate', 'duplicate', 'stored', 'refused', 'stored']);
    // Nothing is said of how good it is: it may have been stored as bad.
    expect(again.results[0]).toEqual({ outcome: 'duplicate' });
    const { body: read } = await servers[0]!.get(
      `/v1/systems/greenhouse/sensors/ph/readings?from=${at(0)}&to=${at(100)}`,
    );
    expect(read.readings.map((each: { raw: number | null }) => each.raw)).toEqual([6.7, 6.7, 6.8, null, 7]);
  });

  it('keeps every figure as it was sent', async () => {
    const figures = [1e-300, 0.1 + 0.2, 21.999999999999996, 5e-324, 3, 49.99999999999999];
    await post(figures.map((value, index) => ({ sensor: 'air-temperature', value, observedAt: at(index) })));
    const { body } = await servers[0]!.get(
      `/v1/systems/greenhouse/sensors/air-temperature/readings?from=${at(0)}&to=${at(100)}`,
    );
    expect(body.readings.map((each: { raw: number }) => each.raw)).toEqual(figures);
  });

  it('stores once what comes from many at once, in any order, and counts its hours and days right', async () => {
    // Twice what there is, in pieces, in disorder, to whoever listens; the night has a clock change in it.
    const minutes = Array.from({ length: 3_000 }, (_, index) => index);
    const all = ['water-temperature', 'dissolved-oxygen'].flatMap((sensor) =>
      minutes.map((minute) => ({
        sensor,
        value:
          sensor === 'water-temperature'
            ? minute % 97
              ? 24 + Math.sin(minute / 50)
              : -127
            : 6 + (minute % 10) / 10,
        observedAt: at(minute),
      })),
    );
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const shuffled = [...all, ...all]
      .map((reading) => ({ reading, by: random() }))
      .sort((a, b) => a.by - b.by);
    const pieces: Posted[][] = [];
    while (shuffled.length > 0) {
      pieces.push(shuffled.splice(0, 1 + Math.floor(random() * 200)).map(({ reading }) => reading));
    }
    const bodies = await Promise.all(
      pieces.map((piece, index) => post(piece, servers[index % servers.length])),
    );
    const sum = (key: 'stored' | 'duplicates' | 'refused'): number =>
      bodies.reduce((total: number, body) => total + body[key], 0);
    expect([sum('stored'), sum('duplicates'), sum('refused')]).toEqual([all.length, all.length, 0]);

    const rows = await select<{
      sensor_number: number;
      observed_at: number;
      value: number | null;
      quality: number;
    }>(
      `select sensor_number, observed_at, value, quality from readings where observed_at >= ${START}
       and sensor_number in (select number from sensors where id in ('water-temperature', 'dissolved-oxygen'))`,
    );
    expect(rows).toHaveLength(all.length);
    for (const [table, startOf] of [
      ['rollups_hourly', (time: number) => time - (time % HOUR_MS)],
      ['rollups_daily', startOfDayInBerlin],
    ] as const) {
      const expected = new Map<string, number[]>();
      for (const { sensor_number, observed_at, value, quality } of rows) {
        const key = `${sensor_number}@${startOf(Number(observed_at))}`;
        const counted = expected.get(key) ?? [0, 0, Infinity, -Infinity, 0, 0];
        if (quality === 0) {
          counted[0]! += 1;
          counted[1]! += value!;
          counted[2] = Math.min(counted[2]!, value!);
          counted[3] = Math.max(counted[3]!, value!);
        } else counted[3 + quality]! += 1;
        expected.set(key, counted);
      }
      const kept = await select<Record<string, number>>(
        `select * from ${table} where sensor_number in
          (select number from sensors where id in ('water-temperature', 'dissolved-oxygen'))`,
      );
      expect(kept).toHaveLength(expected.size);
      for (const { sensor_number, at: start, count, sum: total, min, max, suspect, bad } of kept) {
        const [good, sumOfGood, least, most, suspects, bads] = expected.get(`${sensor_number}@${start}`)!;
        expect([count, min, max, suspect, bad]).toEqual([good, least, most, suspects, bads]);
        expect(total).toBeCloseTo(sumOfGood!, 6);
      }
    }
    const [newest] = await select<{ at: number }>(
      `select max(newest_at) as at from sensor_states join sensors on number = sensor_number
       where id = 'dissolved-oxygen'`,
    );
    expect(Number(newest!.at)).toBe(START + 2_999 * MINUTE_MS);
  }, 60_000);

  it('takes readings of many years', async () => {
    const years = Array.from({ length: 20 }, (_, index) => Date.UTC(2001 + index, index % 12, 3));
    const readings = years.map((time) => ({
      sensor: 'water-level',
      value: 90,
      observedAt: new Date(time).toISOString(),
    }));
    const bodies = await Promise.all(servers.map((server) => post(readings, server)));
    expect(bodies.reduce((total: number, body) => total + body.stored, 0)).toBe(20);
    expect(await post(readings)).toMatchObject({ stored: 0, duplicates: 20 });
  });
});

/** Midnights in Berlin around the 29th of March 2026, when clocks go from two to three. */
function startOfDayInBerlin(time: number): number {
  const midnights = [27, 28].map((day) => Date.UTC(2026, 2, day, 23));
  const after = [29, 30].map((day) => Date.UTC(2026, 2, day, 22));
  return [...midnights, ...after].findLast((midnight) => midnight <= time)!;
}
