import { Inject, Injectable } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import type { Quality } from './quality.js';

export interface ReadingRow {
  sensor_number: number;
  observed_at: number;
  received_at: number;
  value: number | null;
  raw: number | null;
  quality: Quality;
  /** Separated by commas; empty where the quality is good. */
  reasons: string;
}

export interface BucketRow {
  at: number;
  min: number;
  mean: number;
  max: number;
  count: number;
}

export type StoreOutcome = 'stored' | 'duplicate' | 'conflict';

export const readingsMigrations: Migrations = {
  '2026-11-21-3-readings': {
    up: async (database: Kysely<unknown>) => {
      // Clustered by sensor and time: a range is one stretch of the file, and the same reading has no second place.
      await database.schema
        .createTable('readings')
        .addColumn('sensor_number', 'integer', (column) => column.notNull().references('sensors.number'))
        .addColumn('observed_at', 'bigint', (column) => column.notNull())
        .addColumn('received_at', 'bigint', (column) => column.notNull())
        .addColumn('value', 'double precision')
        .addColumn('raw', 'double precision')
        .addColumn('quality', 'text', (column) => column.notNull())
        .addColumn('reasons', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('readings_pk', ['sensor_number', 'observed_at'])
        .modifyEnd(sql`without rowid`)
        .execute();
    },
  },
};

const ROWS_PER_STATEMENT = 500;
const keyOf = (row: { sensor_number: number; observed_at: number }): string =>
  `${row.sensor_number}@${row.observed_at}`;

@Injectable()
export class ReadingsRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<{ readings: ReadingRow }>) {}

  /** All in one durable transaction. @returns the outcome of each row, in their order. */
  async store(rows: ReadingRow[]): Promise<StoreOutcome[]> {
    const first = new Map<string, ReadingRow>();
    for (const row of rows) if (!first.has(keyOf(row))) first.set(keyOf(row), row);
    const fresh = await this.database.transaction().execute(async (transaction) => {
      const inserted = new Set<string>();
      const pending = [...first.values()];
      for (let start = 0; start < pending.length; start += ROWS_PER_STATEMENT) {
        const returned = await transaction
          .insertInto('readings')
          .values(pending.slice(start, start + ROWS_PER_STATEMENT))
          .onConflict((conflict) => conflict.doNothing())
          .returning(['sensor_number', 'observed_at'])
          .execute();
        for (const row of returned) inserted.add(keyOf(row));
      }
      return inserted;
    });
    const known = await this.findRaw([...first.values()].filter((row) => !fresh.has(keyOf(row))));
    return rows.map((row) => {
      const key = keyOf(row);
      const winner = first.get(key)!;
      if (winner === row && fresh.has(key)) return 'stored';
      const raw = fresh.has(key) ? winner.raw : known.get(key);
      return raw === row.raw ? 'duplicate' : 'conflict';
    });
  }

  /** The newest reading of each sensor that has one; a look at the end of each sensor's stretch. */
  async latest(sensorNumbers: number[]): Promise<Map<number, ReadingRow>> {
    const newest = await Promise.all(
      sensorNumbers.map((sensor) =>
        this.database
          .selectFrom('readings')
          .selectAll()
          .where('sensor_number', '=', sensor)
          .orderBy('observed_at', 'desc')
          .limit(1)
          .executeTakeFirst(),
      ),
    );
    return new Map(newest.filter((row) => row !== undefined).map((row) => [row.sensor_number, row]));
  }

  /** The slope of the straight line through a sensor's usable values since then, in units per hour, and its basis. */
  async trend(sensorNumber: number, since: number): Promise<{ perHour: number | null; spanMs: number }> {
    // Hours since then keep the sums small enough to be exact.
    const hours = sql<number>`((observed_at - ${since}) / 3600000.0)`;
    const { count, spanMs, h, v, hv, hh } = await this.database
      .selectFrom('readings')
      .select(({ fn }) => [
        fn.countAll<number>().as('count'),
        sql<number>`max(observed_at) - min(observed_at)`.as('spanMs'),
        sql<number>`sum(${hours})`.as('h'),
        fn.sum<number>('value').as('v'),
        sql<number>`sum(${hours} * value)`.as('hv'),
        sql<number>`sum(${hours} * ${hours})`.as('hh'),
      ])
      .where('sensor_number', '=', sensorNumber)
      .where('observed_at', '>=', since)
      .where('value', 'is not', null)
      .executeTakeFirstOrThrow();
    const spread = count * hh - h * h;
    return { perHour: spread > 0 ? (count * hv - h * v) / spread : null, spanMs };
  }

  range(sensorNumber: number, from: number, to: number, limit: number): Promise<ReadingRow[]> {
    return this.database
      .selectFrom('readings')
      .selectAll()
      .where('sensor_number', '=', sensorNumber)
      .where('observed_at', '>=', from)
      .where('observed_at', '<', to)
      .orderBy('observed_at')
      .limit(limit)
      .execute();
  }

  buckets(sensorNumber: number, from: number, to: number, widthMs: number): Promise<BucketRow[]> {
    const at = sql<number>`cast(observed_at / ${sql.lit(widthMs)} as integer) * ${sql.lit(widthMs)}`;
    return this.database
      .selectFrom('readings')
      .select(({ fn }) => [
        at.as('at'),
        fn.min<number>('value').as('min'),
        fn.avg<number>('value').as('mean'),
        fn.max<number>('value').as('max'),
        fn.count<number>('value').as('count'),
      ])
      .where('sensor_number', '=', sensorNumber)
      .where('observed_at', '>=', from)
      .where('observed_at', '<', to)
      .where('value', 'is not', null)
      .groupBy(at)
      .orderBy(at)
      .execute();
  }

  /** When the newest reading of all was observed: one look for each sensor, however many readings there are. */
  async newestObservation(): Promise<number | null> {
    const { rows } = await sql<{ at: number | null }>`
      select max((select max(observed_at) from readings where sensor_number = sensors.number)) as at from sensors
    `.execute(this.database);
    return rows[0]?.at ?? null;
  }

  private async findRaw(rows: ReadingRow[]): Promise<Map<string, number | null>> {
    const found = new Map<string, number | null>();
    for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
      const known = await this.database
        .selectFrom('readings')
        .select(['sensor_number', 'observed_at', 'raw'])
        .where((where) =>
          where(
            where.refTuple('sensor_number', 'observed_at'),
            'in',
            rows
              .slice(start, start + ROWS_PER_STATEMENT)
              .map((row) => where.tuple(row.sensor_number, row.observed_at)),
          ),
        )
        .execute();
      for (const row of known) found.set(keyOf(row), row.raw);
    }
    return found;
  }
}
