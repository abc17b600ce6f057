import { type Kysely, sql } from 'kysely';

import type { Migrations } from '../platform/database/database.module.js';
import { kindOf } from '../platform/database/kind.js';

/** 0 good, 1 suspect, 2 bad: the places in `QUALITIES`. */
export type QualityCode = 0 | 1 | 2;

export interface ReadingRow {
  sensor_number: number;
  /** With the sensor, the identity of a reading. */
  observed_at: number;
  /** Calibrated; null where the quality is bad. */
  value: number | null;
  quality: QualityCode;
  /** What the probe said; null where it said that it failed. */
  raw: number | null;
  /** A bit for each reason, by its place in `REASONS`. */
  reasons: number;
  /** When it was committed. */
  received_at: number;
}

/** What is kept of an hour, or of a local day, when nobody looks at single readings any more. */
export interface RollupRow {
  sensor_number: number;
  /** Where the hour or the day begins. */
  at: number;
  /** Good readings; `sum` to `last_at` are of these alone. */
  count: number;
  sum: number;
  min: number | null;
  max: number | null;
  last: number | null;
  last_at: number | null;
  suspect: number;
  bad: number;
}

/** Where a sensor's series stands, so that the next reading is judged without reading the series. */
export interface SensorStateRow {
  sensor_number: number;
  newest_at: number | null;
  newest_raw: number | null;
  newest_value: number | null;
  newest_quality: QualityCode | null;
  /** Since when every reading has said the same. */
  unchanged_since: number | null;
  /** Readings between these times were added or changed since quantities were last derived from them. */
  dirty_from: number | null;
  dirty_to: number | null;
}

export interface ReadingsTables {
  readings: ReadingRow;
  rollups_hourly: RollupRow;
  rollups_daily: RollupRow;
  sensor_states: SensorStateRow;
}

export const HOUR_MS = 3_600_000;

/** What `2026-11-21-3` called the quality and its reason, in the numbers of today. */
const QUALITY_NUMBER = sql`case quality when 'good' then 0 else 2 end`;
const REASON_BIT = sql`case reasons when 'no-value' then 1 when 'sentinel' then 2 when 'below-physical-range' then 4
  when 'above-physical-range' then 8 else 0 end`;

export const readingsMigrations: Migrations = {
  '2026-11-21-3-readings': {
    up: async (database: Kysely<unknown>) => {
      const create = database.schema
        .createTable('readings')
        .addColumn('sensor_number', 'integer', (column) => column.notNull().references('sensors.number'))
        .addColumn('observed_at', 'bigint', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .addColumn('value', 'double precision')
        .addColumn('raw', 'double precision')
        .addColumn('quality', 'text', (column) => column.notNull())
        .addColumn('reasons', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('readings_pk', ['sensor_number', 'observed_at']);
      await (kindOf(database) === 'sqlite' ? create.modifyEnd(sql`without rowid`) : create).execute();
    },
  },
  '2026-11-22-1-series': {
    up: async (database: Kysely<unknown>) => {
      const isSqlite = kindOf(database) === 'sqlite';
      const isHypertable = !isSqlite && (await hasTimescale(database));
      const kept = isSqlite
        ? sql`without rowid`
        : isHypertable
          ? sql``
          : sql`partition by range (observed_at)`;
      await sql`alter table readings rename to readings_before`.execute(database);
      // No foreign key: sensors are never deleted, and it would be looked up for every reading.
      // Clustered by sensor and time on SQLite: a range is one stretch of the file. What a chart reads stands first.
      await sql`
        create table readings (
          sensor_number integer not null,
          observed_at bigint not null,
          value double precision,
          quality smallint not null,
          raw double precision,
          reasons integer not null,
          received_at bigint not null,
          primary key (sensor_number, observed_at)
        ) ${kept}`.execute(database);
      if (isHypertable) {
        const month = sql.lit(30 * 24 * HOUR_MS);
        await sql`select create_hypertable('readings', by_range('observed_at', ${month}))`.execute(database);
      }
      if (isSqlite) {
        await sql`
          insert into readings
          select sensor_number, observed_at, value, ${QUALITY_NUMBER}, raw, ${REASON_BIT}, received_at
          from readings_before`.execute(database);
      }
      await sql`drop table readings_before`.execute(database);
      for (const table of ['rollups_hourly', 'rollups_daily']) {
        await sql`
          create table ${sql.table(table)} (
            sensor_number integer not null,
            at bigint not null,
            count integer not null,
            sum double precision not null,
            min double precision,
            max double precision,
            last double precision,
            last_at bigint,
            suspect integer not null,
            bad integer not null,
            primary key (sensor_number, at)
          ) ${isSqlite ? sql`without rowid` : sql``}`.execute(database);
      }
      await sql`
        create table sensor_states (
          sensor_number integer primary key,
          newest_at bigint,
          newest_raw double precision,
          newest_value double precision,
          newest_quality smallint,
          unchanged_since bigint,
          dirty_from bigint,
          dirty_to bigint
        )`.execute(database);
      if (isSqlite) await carryOver(database);
    },
  },
};

/** Whether the operator has put TimescaleDB into this database: it divides by time itself. */
async function hasTimescale(database: Kysely<unknown>): Promise<boolean> {
  const { rows } = await sql`select 1 from pg_extension where extname = 'timescaledb'`.execute(database);
  return rows.length > 0;
}

/** Roll-ups and states of the readings that were there before them; days are of UTC, as every system's were. */
async function carryOver(database: Kysely<unknown>): Promise<void> {
  for (const [table, width] of [
    ['rollups_hourly', HOUR_MS],
    ['rollups_daily', 24 * HOUR_MS],
  ] as const) {
    const at = sql`observed_at - observed_at % ${sql.lit(width)}`;
    await sql`
      insert into ${sql.table(table)}
      select sensor_number, ${at}, count(value), coalesce(sum(value), 0), min(value), max(value), null,
        max(case when quality = 0 then observed_at end), 0, sum(quality = 2)
      from readings group by 1, 2`.execute(database);
    await sql`
      update ${sql.table(table)} set last = (select value from readings
        where sensor_number = ${sql.table(table)}.sensor_number and observed_at = last_at)`.execute(database);
  }
  await sql`
    insert into sensor_states
    select sensor_number, observed_at, raw, value, quality, observed_at,
      (select min(observed_at) from readings as all_of_it where all_of_it.sensor_number = readings.sensor_number),
      max(observed_at)
    from readings group by sensor_number`.execute(database);
}
