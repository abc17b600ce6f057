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

  /** The newest reading of each sensor that has one. */
  async latest(sensorNumbers: number[]): Promise<Map<number, ReadingRow>> {
    if (sensorNumbers.length === 0) return new Map();
    const rows = await this.database
      .selectFrom('readings as r')
      .selectAll()
      .where('sensor_number', 'in', sensorNumbers)
      .where('observed_at', '=', (query) =>
        query
          .selectFrom('readings as newer')
          .select((of) => of.fn.max('newer.observed_at').as('at'))
          .whereRef('newer.sensor_number', '=', 'r.sensor_number'),
      )
      .execute();
    return new Map(rows.map((row) => [row.sensor_number, row]));
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

  /** When the newest reading of all was observed. */
  async newestObservation(): Promise<number | null> {
    const row = await this.database
      .selectFrom('readings')
      .select((of) => of.fn.max('observed_at').as('at'))
      .groupBy('sensor_number')
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.at ?? null;
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
