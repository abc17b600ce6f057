import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DateTime } from 'luxon';

// As built: what runs in threads is found beside it.
import { AppModule } from '../dist/app.module.js';
import { DATABASE } from '../dist/platform/database/database.module.js';
import { readConfig } from '../dist/platform/config.js';
import { createLogger } from '../dist/platform/logging.js';
import { IngestService } from '../dist/readings/ingest.service.js';
import { ReadingsService } from '../dist/readings/readings.service.js';
import { rebuildRollups } from '../dist/readings/rollups.js';
import { SeriesService } from '../dist/readings/series.service.js';
import { UpkeepService } from '../dist/readings/upkeep.service.js';
import { SystemsService } from '../dist/systems/systems.service.js';
import { ask, Postgres } from './helpers/postgres.js';
import { GREENHOUSE } from './helpers/server.js';
import { DatabaseSync } from 'node:sqlite';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = Date.now();
/** Whole days in UTC, so that tests know where what is too old ends. */
const TODAY = NOW - (NOW % DAY);
const SENSOR = 'water-temperature';

describe.each(['sqlite', 'postgres'] as const)('the upkeep of readings on %s', (kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-upkeep-'));
  let postgres: Postgres | undefined;
  let url: string | undefined;
  let app: INestApplicationContext;

  const open = async (settings: Record<string, string> = {}): Promise<void> => {
    const config = readConfig({
      AQUAPONIA_DATA_DIR: folder,
      MQTT_PORT: '0',
      ...(url && { DATABASE_URL: url }),
      ...settings,
    });
    app = await NestFactory.createApplicationContext(AppModule.with(config, createLogger('silent')), {
      logger: false,
    });
  };

  beforeAll(async () => {
    if (kind === 'postgres') {
      postgres = await Postgres.start();
      url = await postgres.database();
    }
    await open();
    await app.get(SystemsService).create({ ...GREENHOUSE, timeZone: 'Europe/Berlin' });
    // A hundred days, every 20 minutes; a failed probe each fifth hour.
    const items = [];
    for (let at = TODAY - 100 * DAY; at < TODAY; at += 20 * MINUTE) {
      const value = (at / MINUTE) % 300 === 0 ? -127 : 20 + ((at / MINUTE) % 97) / 40;
      items.push({ sensor: SENSOR, value, observedAt: at });
    }
    const stored = await app.get(IngestService).ingest('greenhouse', items);
    expect(stored.stored).toBe(items.length);
  }, 60_000);

  afterAll(async () => {
    await app.close();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const change = async (statement: string): Promise<unknown[]> => {
    if (url) return ask(url, statement);
    const database = new DatabaseSync(join(folder, 'aquaponia.db'));
    try {
      return database.prepare(statement).all();
    } finally {
      database.close();
    }
  };

  const count = async (table: string): Promise<number> => {
    const [row] = (await change(`select count(*) as rows from ${table}`)) as { rows: number | string }[];
    return Number(row!.rows);
  };

  const days = async (timeZone?: string) => {
    const from = new Date(TODAY - 101 * DAY).toISOString();
    const to = new Date(TODAY + DAY).toISOString();
    const query = { sensor: [SENSOR], bucket: 'day', from, to, ...(timeZone && { timeZone }) };
    const { level, series } = await app.get(SeriesService).read('greenhouse', query);
    return { level, buckets: series[0]!.buckets };
  };

  const close = (buckets: { mean: number | null }[]) =>
    buckets.map(({ mean, ...rest }) => ({ ...rest, mean: mean?.toFixed(9) ?? null }));

  it('makes days anew when they begin elsewhere', async () => {
    const upkeep = app.get(UpkeepService);
    const byHours = await days();
    expect(byHours.level).toBe('hourly');
    for (const timeZone of ['Europe/Berlin', 'Asia/Kolkata', 'America/New_York']) {
      await app.get(SystemsService).change('greenhouse', { timeZone });
      const before = await days();
      expect(before.level).not.toBe('daily');
      await upkeep.followTimeZones();
      expect((await days()).level).toBe(before.level);
      await upkeep.followTimeZones();
      const after = await days();
      expect(after.level).toBe('daily');
      expect(close(after.buckets)).toEqual(close(before.buckets));
      expect(new Set(after.buckets.map(({ at }) => DateTime.fromISO(at, { zone: timeZone }).hour))).toEqual(
        new Set([0]),
      );
      expect(await count('rollups_daily')).toBe(after.buckets.length);
    }
  });

  it('goes on counting into the days as they are then', async () => {
    const at = TODAY - 50 * DAY + 7 * MINUTE;
    await app.get(IngestService).ingest('greenhouse', [{ sensor: SENSOR, value: 21, observedAt: at }]);
    const [byDays, byHours] = [await days(), await days('Canada/Eastern')];
    expect([byDays.level, byHours.level]).toEqual(['daily', 'daily']);
    await change(`delete from daily_zones`);
    expect(close((await days()).buckets)).toEqual(close(byDays.buckets));
    expect((await days()).level).toBe('hourly');
    await app.get(UpkeepService).followTimeZones();
    await app.get(UpkeepService).followTimeZones();
    expect((await days()).level).toBe('daily');
  });

  it('removes readings of age, and nothing of which roll-ups do not know', async () => {
    const before = await days();
    const wanted = TODAY - 50 * DAY + 5 * HOUR;
    await change(`delete from rollups_hourly where at = ${wanted}`);
    await app.close();
    await open({ AQUAPONIA_RETENTION_RAW_DAYS: '30' });
    const upkeep = app.get(UpkeepService);
    await upkeep.retire();
    // 72 a day. On SQLite the chunk with that hour stays, and all after it; on PostgreSQL the month.
    const stillThere = await count('readings');
    expect(stillThere).toBeGreaterThan(30 * 72);
    expect(stillThere).toBeLessThan(100 * 72);
    const [there] = (await change(
      `select count(*) as rows from readings where observed_at >= ${wanted} and observed_at < ${wanted + HOUR}`,
    )) as { rows: number | string }[];
    expect(Number(there!.rows)).toBe(3);
    // As an operator would, or a backup: the roll-up is there again.
    await change(
      `insert into rollups_hourly select sensor_number, ${wanted}, sum(case quality when 0 then 1 else 0 end),
        coalesce(sum(case quality when 0 then value end), 0), min(value), max(value), null, null,
        sum(case quality when 1 then 1 else 0 end), sum(case quality when 2 then 1 else 0 end)
      from readings where observed_at >= ${wanted} and observed_at < ${wanted + HOUR} group by sensor_number`,
    );
    await upkeep.retire();
    const left = await count('readings');
    if (kind === 'sqlite') expect(left).toBe(30 * 72);
    else expect(left).toBeLessThan(62 * 72);
    expect(close((await days()).buckets)).toEqual(close(before.buckets));
  });

  it('answers with what is left, and says so', async () => {
    const read = (from: number, to: number, bucket: string) =>
      app.get(SeriesService).read('greenhouse', {
        sensor: [SENSOR],
        bucket,
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
      });
    const old = await read(TODAY - 60 * DAY, TODAY - 59 * DAY, '600');
    expect(old.level).toBe('hourly');
    expect(old.series[0]!.buckets).toHaveLength(24);
    const fresh = await read(TODAY - 29 * DAY, TODAY - 28 * DAY, '1200');
    expect(fresh.level).toBe('raw');
    expect(fresh.series[0]!.buckets).toHaveLength(72);
  });

  it('takes nothing that is older than what is kept', async () => {
    const at = TODAY - 31 * DAY;
    const [result] = (
      await app.get(IngestService).ingest('greenhouse', [{ sensor: SENSOR, value: 20, observedAt: at }])
    ).results;
    expect(result).toMatchObject({
      outcome: 'refused',
      error: { code: 'READING.TOO_OLD', limit: new Date(TODAY - 30 * DAY).toISOString() },
    });
  });

  it('leaves alone what nothing finer is left of when history is judged again', async () => {
    const hours = (): Promise<unknown[]> => change('select * from rollups_hourly order by at');
    const [before, daysBefore] = [await hours(), await days()];
    const [sensor] = (await change(`select number from sensors where id = '${SENSOR}'`)) as {
      number: number;
    }[];
    const database = app.get<Parameters<typeof rebuildRollups>[0]>(DATABASE);
    await rebuildRollups(database, sensor!.number, 'America/New_York', TODAY - 100 * DAY, TODAY - 1);
    expect(close((await days()).buckets)).toEqual(close(daysBefore.buckets));
    const kept = ({ sum, ...row }: Record<string, unknown>) => ({ ...row, sum: Number(sum).toFixed(6) });
    const isFilled = ({ last_at }: Record<string, unknown>): boolean => last_at !== null;
    const compare = (rows: unknown[]) => (rows as Record<string, unknown>[]).filter(isFilled).map(kept);
    expect(compare(await hours())).toEqual(compare(before));
  });

  it('makes days anew out of hours where readings are gone', async () => {
    await app.get(SystemsService).change('greenhouse', { timeZone: 'Europe/Athens' });
    const byHours = await days();
    expect(byHours.level).toBe('hourly');
    await app.get(UpkeepService).followTimeZones();
    await app.get(UpkeepService).followTimeZones();
    const byDays = await days();
    expect(byDays.level).toBe('daily');
    expect(close(byDays.buckets)).toEqual(close(byHours.buckets));
  });

  it('removes hours and days of age too', async () => {
    const before = await days();
    await app.close();
    await open({
      AQUAPONIA_RETENTION_RAW_DAYS: '10',
      AQUAPONIA_RETENTION_HOURLY_DAYS: '20',
      AQUAPONIA_RETENTION_DAILY_DAYS: '90',
    });
    await app.get(UpkeepService).retire();
    expect(await count('rollups_hourly')).toBe(20 * 24);
    const after = await days();
    expect(after.level).toBe('daily');
    const kept = before.buckets.filter(({ at }) => Date.parse(at) >= TODAY - 90 * DAY);
    expect(close(after.buckets)).toEqual(close(kept));
    await app.get(SystemsService).change('greenhouse', { timeZone: 'Asia/Kolkata' });
    await app.get(UpkeepService).followTimeZones();
    await app.get(UpkeepService).followTimeZones();
    const moved = await days();
    const total = (buckets: { count: number; bad: number }[]): number =>
      buckets.reduce((sum, bucket) => sum + bucket.count + bucket.bad, 0);
    // At the edge of what hours are left one day of each kind may overlap.
    expect(Math.abs(total(moved.buckets) - total(kept))).toBeLessThanOrEqual(2 * 72);
    expect(await app.get(ReadingsService).status('greenhouse')).toBeDefined();
  });

  it('refuses to keep what is fine longer than what is made of it', () => {
    const settings = { AQUAPONIA_RETENTION_RAW_DAYS: '10', AQUAPONIA_RETENTION_HOURLY_DAYS: '9' };
    expect(() => readConfig(settings)).toThrow('AQUAPONIA_RETENTION_HOURLY_DAYS');
    const forEver = { AQUAPONIA_RETENTION_DAILY_DAYS: '9' };
    expect(() => readConfig(forEver)).toThrow('AQUAPONIA_RETENTION_DAILY_DAYS');
  });
});
