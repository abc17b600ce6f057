import { Inject, Injectable } from '@nestjs/common';
import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { type Judgeable, REMEMBERED } from './quality.js';
import type { ReadingRow, ReadingsTables } from './readings.schema.js';
import { rebuildRollups } from './rollups.js';

/** A stretch of a sensor's history that is to be judged again: what another replica took by rules it had not heard of. */
export interface DueRejudgement {
  sensor_number: number;
  system_id: string;
  sensor_id: string;
  from_at: number;
  to_at: number;
  due_at: number;
}

interface HistoryTables extends ReadingsTables {
  rejudgements: DueRejudgement;
}

export const historyMigrations: Migrations = {
  '2026-11-22-4-history': {
    up: async ({ schema }: Kysely<unknown>) => {
      await schema
        .createTable('rejudgements')
        .addColumn('sensor_number', 'integer', (column) => column.notNull())
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('sensor_id', 'text', (column) => column.notNull())
        .addColumn('from_at', 'bigint', (column) => column.notNull())
        .addColumn('to_at', 'bigint', (column) => column.notNull())
        .addColumn('due_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('rejudgements_pk', ['sensor_number', 'from_at', 'due_at'])
        .execute();
    },
  },
};

export type Stored = Pick<ReadingRow, 'observed_at' | 'raw' | 'value' | 'quality' | 'reasons'>;
export type HistoryTransaction = Transaction<HistoryTables>;

const ROWS_PER_STATEMENT = 500;

/** Readings that are there already and become others. */
@Injectable()
export class HistoryRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<HistoryTables>) {}

  /** A transaction in which nobody else stores or changes readings of the sensor. */
  whileNobodyWrites<Result>(
    sensor: number,
    change: (transaction: HistoryTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.database.transaction().execute(async (transaction) => {
      await transaction
        .updateTable('sensor_states')
        .set((to) => ({ dirty_from: to.ref('dirty_from') }))
        .where('sensor_number', '=', sensor)
        .execute();
      return change(transaction);
    });
  }

  /** Oldest first; both ends belong to it. */
  stretch(
    sensor: number,
    from: number,
    to: number,
    limit: number,
    connection: Kysely<HistoryTables> | HistoryTransaction = this.database,
  ): Promise<Stored[]> {
    return connection
      .selectFrom('readings')
      .select(['observed_at', 'raw', 'value', 'quality', 'reasons'])
      .where('sensor_number', '=', sensor)
      .where('observed_at', '>=', from)
      .where('observed_at', '<=', to)
      .orderBy('observed_at')
      .limit(limit)
      .execute();
  }

  /** The last before a time, oldest first. */
  async before(sensor: number, at: number): Promise<Stored[]> {
    const rows = await this.database
      .selectFrom('readings')
      .select(['observed_at', 'raw', 'value', 'quality', 'reasons'])
      .where('sensor_number', '=', sensor)
      .where('observed_at', '<', at)
      .orderBy('observed_at', 'desc')
      .limit(REMEMBERED)
      .execute();
    return rows.reverse();
  }

  /** The newest raw figures since a time, newest first. */
  async newestRaws(sensor: number, since: number, limit: number): Promise<number[]> {
    const rows = await this.database
      .selectFrom('readings')
      .select('raw')
      .where('sensor_number', '=', sensor)
      .where('observed_at', '>=', since)
      .where('raw', 'is not', null)
      .orderBy('observed_at', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ raw }) => raw!);
  }

  /** Its newest good value since a time. */
  async newestValue(sensor: number, since: number): Promise<number | null> {
    const row = await this.database
      .selectFrom('readings')
      .select(['value', 'quality'])
      .where('sensor_number', '=', sensor)
      .where('observed_at', '>=', since)
      .orderBy('observed_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.quality === 0 ? row.value : null;
  }

  /** Its good values within a period, oldest first. */
  goodValues(
    transaction: HistoryTransaction,
    sensor: number,
    from: number,
    to: number,
  ): Promise<{ observed_at: number; value: number | null }[]> {
    return transaction
      .selectFrom('readings')
      .select(['observed_at', 'value'])
      .where('sensor_number', '=', sensor)
      .where('observed_at', '>=', from)
      .where('observed_at', '<=', to)
      .where('quality', '=', 0)
      .orderBy('observed_at')
      .execute();
  }

  /** Writes new judgements, and all that hangs on them. */
  async rewrite(
    transaction: HistoryTransaction,
    sensor: number,
    timeZone: string,
    changed: Judgeable[],
  ): Promise<void> {
    for (let start = 0; start < changed.length; start += ROWS_PER_STATEMENT) {
      const rows = changed.slice(start, start + ROWS_PER_STATEMENT).map(asValues);
      await sql`
        with changed (at, value, quality, reasons) as (values ${sql.join(rows)})
        update readings set value = changed.value, quality = changed.quality, reasons = changed.reasons
        from changed where readings.sensor_number = ${sensor} and readings.observed_at = changed.at
      `.execute(transaction);
    }
    const [from, to] = [changed[0]!.observedAt, changed[changed.length - 1]!.observedAt];
    await rebuildRollups(transaction, sensor, timeZone, from, to);
    await markDirty(transaction, sensor, from, to);
  }

  /** The judgement of the newest reading stands in its sensor's state too. */
  async keepNewest(
    transaction: HistoryTransaction,
    sensor: number,
    { observedAt, value, quality }: Judgeable,
    unchangedSince: number | null,
  ): Promise<void> {
    await transaction
      .updateTable('sensor_states')
      .set({ newest_value: value, newest_quality: quality, unchanged_since: unchangedSince })
      .where('sensor_number', '=', sensor)
      .where('newest_at', '=', observedAt)
      .execute();
  }

  async schedule(rejudgement: DueRejudgement): Promise<void> {
    await this.database
      .insertInto('rejudgements')
      .values(rejudgement)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  due(now: number): Promise<DueRejudgement[]> {
    return this.database
      .selectFrom('rejudgements')
      .selectAll()
      .where('due_at', '<=', now)
      .orderBy('due_at')
      .execute();
  }

  async done({ sensor_number, from_at, due_at }: DueRejudgement): Promise<void> {
    await this.database
      .deleteFrom('rejudgements')
      .where('sensor_number', '=', sensor_number)
      .where('from_at', '=', from_at)
      .where('due_at', '=', due_at)
      .execute();
  }
}

/** What is derived from the sensor is to be derived again. */
export async function markDirty(
  transaction: HistoryTransaction,
  sensor: number,
  from: number,
  to: number,
): Promise<void> {
  await sql`
    update sensor_states set
      dirty_from = case when dirty_from < ${from} then dirty_from else ${from} end,
      dirty_to = case when dirty_to > ${to} then dirty_to else ${to} end
    where sensor_number = ${sensor}`.execute(transaction);
}

/** With their types: PostgreSQL takes a bare parameter in a list of values for text. */
const asValues = ({ observedAt, value, quality, reasons }: Judgeable): RawBuilder<unknown> =>
  sql`(cast(${observedAt} as bigint), cast(${value} as double precision), cast(${quality} as smallint),
    cast(${reasons} as integer))`;
