import { Inject, Injectable } from '@nestjs/common';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Pool } from 'pg';

import { DATABASE, type Migrations, POSTGRES_POOL } from '../platform/database/database.module.js';
import { kindOf } from '../platform/database/kind.js';
import { takeTurn } from '../platform/database/turn.js';
import type { SensorRow } from '../systems/systems.repository.js';
import { MINUTE_MS, type Sample } from './derivations.js';
import { PartitionedReadings } from './partitions.js';
import type { ReadingRow, ReadingsTables } from './readings.schema.js';
import { rebuildRollups } from './rollups.js';

/** A stretch of a system's history whose derived quantities are to be made again. */
export interface PendingDerivation {
  system_id: string;
  from_at: number;
  to_at: number;
}

interface DerivedTables extends ReadingsTables {
  derivations: PendingDerivation;
  sensors: Pick<SensorRow, 'number' | 'system_id' | 'quantity' | 'rules'>;
}

export type DerivedTransaction = Transaction<DerivedTables>;

export const derivedMigrations: Migrations = {
  '2026-11-22-4-derived': {
    up: async ({ schema }: Kysely<unknown>) => {
      await schema
        .createTable('derivations')
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('from_at', 'bigint', (column) => column.notNull())
        .addColumn('to_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('derivations_pk', ['system_id', 'from_at'])
        .execute();
    },
  },
};

export interface DerivedReading {
  at: number;
  value: number;
  quality: 0 | 1;
  reasons: number;
}

/** Sensors whose readings have changed, with the stretch in which. */
export interface Dirty extends Pick<SensorRow, 'system_id' | 'quantity' | 'rules'> {
  from: number;
  to: number;
}

const ROWS_PER_STATEMENT = 500;

@Injectable()
export class DerivedRepository {
  private readonly partitions: PartitionedReadings | undefined;

  constructor(
    @Inject(DATABASE) private readonly database: Kysely<DerivedTables>,
    @Inject(POSTGRES_POOL) pool: Pool | undefined,
  ) {
    this.partitions = pool && new PartitionedReadings(pool);
  }

  /** Makes room for readings of this time; before a transaction that writes them. */
  async makeRoom(at: number): Promise<void> {
    await this.partitions?.ensure(Float64Array.of(at));
  }

  /**
   * Turns the marks that readings leave into stretches to derive, both in one transaction: a mark that is made meanwhile
   * waits for it, or comes in the next round.
   */
  collect(stretchesOf: (dirty: Dirty[]) => PendingDerivation[]): Promise<number> {
    return this.database.transaction().execute(async (transaction) => {
      const isPostgres = kindOf(transaction) === 'postgres';
      const marked = await transaction
        .selectFrom('sensor_states')
        .select(['sensor_number', 'dirty_from', 'dirty_to'])
        .where('dirty_from', 'is not', null)
        .orderBy('sensor_number')
        .$if(isPostgres, (query) => query.forUpdate().skipLocked())
        .execute();
      if (marked.length === 0) return 0;
      const numbers = marked.map((row) => row.sensor_number);
      const sensors = await transaction
        .selectFrom('sensors')
        .select(['number', 'system_id', 'quantity', 'rules'])
        .where('number', 'in', numbers)
        .execute();
      const heard = await this.firstOfEach(transaction, [
        ...new Set(sensors.map((sensor) => sensor.system_id)),
      ]);
      const sensorOf = new Map(
        sensors.filter(({ number }) => heard.has(number)).map((sensor) => [sensor.number, sensor]),
      );
      const dirty = marked.flatMap(({ sensor_number, dirty_from, dirty_to }): Dirty[] => {
        const sensor = sensorOf.get(sensor_number);
        return sensor ? [{ ...sensor, from: dirty_from!, to: dirty_to! }] : [];
      });
      for (const stretch of stretchesOf(dirty)) await addStretch(transaction, stretch);
      await transaction
        .updateTable('sensor_states')
        .set({ dirty_from: null, dirty_to: null })
        .where('sensor_number', 'in', numbers)
        .execute();
      return marked.length;
    });
  }

  /** The first sensor of each quantity, which alone is listened to. */
  private async firstOfEach(transaction: DerivedTransaction, systemIds: string[]): Promise<Set<number>> {
    if (systemIds.length === 0) return new Set();
    const firsts = await transaction
      .selectFrom('sensors')
      .select(({ fn }) => fn.min<number>('number').as('first'))
      .where('system_id', 'in', systemIds)
      .groupBy(['system_id', 'quantity'])
      .execute();
    return new Set(firsts.map(({ first }) => first));
  }

  async add(stretch: PendingDerivation): Promise<void> {
    await addStretch(this.database, stretch);
  }

  /** The next stretches; another process may be at some of them. */
  pending(limit: number): Promise<PendingDerivation[]> {
    return this.database
      .selectFrom('derivations')
      .selectAll()
      .orderBy('to_at', 'desc')
      .limit(limit)
      .execute();
  }

  /**
   * One step on a stretch, in one transaction in which nobody else derives for the system.
   * @param step does what it can and returns where it has got to.
   * @returns what `step` made; undefined where the stretch has been done by someone else.
   */
  advance<Result>(
    stretch: PendingDerivation,
    step: (transaction: DerivedTransaction) => Promise<{ doneTo: number; result: Result }>,
  ): Promise<{ rest: PendingDerivation | undefined; result: Result } | undefined> {
    const advanced = this.database.transaction().execute(async (transaction) => {
      await takeTurn(transaction, `derive ${stretch.system_id}`);
      const removed = await transaction
        .deleteFrom('derivations')
        .where('system_id', '=', stretch.system_id)
        .where('from_at', '=', stretch.from_at)
        .returning('to_at')
        .executeTakeFirst();
      if (!removed) return undefined;
      const { doneTo, result } = await step(transaction);
      if (doneTo >= removed.to_at) return { rest: undefined, result };
      const rest = { ...stretch, from_at: doneTo + 1, to_at: removed.to_at };
      await addStretch(transaction, rest);
      return { rest, result };
    });
    return advanced.catch((error: unknown) => {
      this.partitions?.forgetIfMissing(error);
      throw error;
    });
  }

  /** Those of the sensors that have ever reported. */
  async reporting(sensors: number[]): Promise<Set<number>> {
    if (sensors.length === 0) return new Set();
    const rows = await this.database
      .selectFrom('sensor_states')
      .select('sensor_number')
      .where('sensor_number', 'in', sensors)
      .where('newest_at', 'is not', null)
      .execute();
    return new Set(rows.map((row) => row.sensor_number));
  }

  /** When the first reading of any of these sensors was observed within a stretch. */
  async firstWithin(sensors: number[], from: number, to: number): Promise<number | undefined> {
    const firsts = [];
    for (const sensor of sensors) {
      const row = await this.database
        .selectFrom('readings')
        .select('observed_at')
        .where('sensor_number', '=', sensor)
        .where('observed_at', '>=', from)
        .where('observed_at', '<=', to)
        .orderBy('observed_at')
        .limit(1)
        .executeTakeFirst();
      if (row) firsts.push(row.observed_at);
    }
    return firsts.length === 0 ? undefined : Math.min(...firsts);
  }

  /** The last reading of each minute, and the last before them. */
  async samples(
    transaction: DerivedTransaction,
    sensor: number,
    from: number,
    to: number,
    staleAfterMs: number,
  ): Promise<Sample[]> {
    const before = await transaction
      .selectFrom('readings')
      .select(['observed_at', 'value', 'quality'])
      .where('sensor_number', '=', sensor)
      .where('observed_at', '<', from)
      .where('observed_at', '>=', from - staleAfterMs)
      .orderBy('observed_at', 'desc')
      .limit(1)
      .execute();
    // A cross join: SQLite takes these in their order, and would go through the whole series for each minute otherwise.
    const { rows } = await sql<Pick<ReadingRow, 'observed_at' | 'value' | 'quality'>>`
      select readings.observed_at, readings.value, readings.quality from (
        select max(observed_at) as at from readings
        where sensor_number = ${sensor} and observed_at >= ${from} and observed_at <= ${to}
        group by observed_at - observed_at % ${sql.lit(MINUTE_MS)}
      ) as ends
      cross join readings
      where readings.sensor_number = ${sensor} and readings.observed_at = ends.at
      order by readings.observed_at`.execute(transaction);
    return [...before, ...rows].map(({ observed_at, value, quality }) => ({
      at: observed_at,
      value: quality === 0 ? value : null,
    }));
  }

  /** The least and the most of a sensor's good values within a period, and in how many of its hours there are any. */
  async extremes(
    transaction: DerivedTransaction,
    sensor: number,
    from: number,
    to: number,
  ): Promise<{ min: number | null; max: number | null; hours: number }> {
    const { rows } = await sql<{ min: number | null; max: number | null; hours: number }>`
      select min(value) as min, max(value) as max, count(distinct (observed_at - ${sql.lit(from)}) / 3600000) as hours
      from readings where sensor_number = ${sensor} and observed_at >= ${from} and observed_at < ${to} and quality = 0
    `.execute(transaction);
    return rows[0]!;
  }

  /** Makes a stretch of a derived series what it should be; both ends belong to it. @returns whether it was not. */
  async replace(
    transaction: DerivedTransaction,
    sensor: number,
    timeZone: string,
    { from, to }: { from: number; to: number },
    readings: DerivedReading[],
    receivedAt: number,
  ): Promise<boolean> {
    const stored = await transaction
      .selectFrom('readings')
      .select(['observed_at', 'value', 'quality', 'reasons'])
      .where('sensor_number', '=', sensor)
      .where('observed_at', '>=', from)
      .where('observed_at', '<=', to)
      .execute();
    const storedAt = new Map(stored.map((row) => [row.observed_at, row]));
    const fresh = readings.filter(({ at, value, quality, reasons }) => {
      const row = storedAt.get(at);
      return !row || row.value !== value || row.quality !== quality || row.reasons !== reasons;
    });
    const wanted = new Set(readings.map(({ at }) => at));
    const stale = [
      ...stored.map((row) => row.observed_at).filter((at) => !wanted.has(at)),
      ...fresh.map(({ at }) => at).filter((at) => storedAt.has(at)),
    ];
    if (fresh.length === 0 && stale.length === 0) return false;
    for (let start = 0; start < stale.length; start += ROWS_PER_STATEMENT) {
      await transaction
        .deleteFrom('readings')
        .where('sensor_number', '=', sensor)
        .where('observed_at', 'in', stale.slice(start, start + ROWS_PER_STATEMENT))
        .execute();
    }
    for (let start = 0; start < fresh.length; start += ROWS_PER_STATEMENT) {
      await transaction
        .insertInto('readings')
        .values(
          fresh.slice(start, start + ROWS_PER_STATEMENT).map(({ at, value, quality, reasons }) => ({
            sensor_number: sensor,
            observed_at: at,
            value,
            quality,
            raw: value,
            reasons,
            received_at: receivedAt,
          })),
        )
        .execute();
    }
    const touched = [...stale, ...fresh.map(({ at }) => at)];
    const first = touched.reduce((least, at) => Math.min(least, at));
    const last = touched.reduce((most, at) => Math.max(most, at));
    await rebuildRollups(transaction, sensor, timeZone, first, last);
    await this.keepNewest(transaction, sensor);
    return true;
  }

  /** As ingest does for sensors that report. */
  private async keepNewest(transaction: DerivedTransaction, sensor: number): Promise<void> {
    const newest = await transaction
      .selectFrom('readings')
      .select(['observed_at', 'value', 'quality', 'raw'])
      .where('sensor_number', '=', sensor)
      .orderBy('observed_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    const state = {
      newest_at: newest?.observed_at ?? null,
      newest_raw: newest?.raw ?? null,
      newest_value: newest?.value ?? null,
      newest_quality: newest?.quality ?? null,
      unchanged_since: null,
      dirty_from: null,
      dirty_to: null,
    };
    await transaction
      .insertInto('sensor_states')
      .values({ sensor_number: sensor, ...state })
      .onConflict((conflict) => conflict.column('sensor_number').doUpdateSet(state))
      .execute();
  }
}

/** Of two stretches that begin together, one that covers both. */
async function addStretch(
  connection: Kysely<DerivedTables> | DerivedTransaction,
  stretch: PendingDerivation,
): Promise<void> {
  const { to_at } = stretch;
  await connection
    .insertInto('derivations')
    .values(stretch)
    .onConflict((conflict) =>
      conflict.columns(['system_id', 'from_at']).doUpdateSet({
        to_at: sql`case when derivations.to_at > ${to_at} then derivations.to_at else ${to_at} end`,
      }),
    )
    .execute();
}
