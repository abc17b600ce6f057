import { Inject, Injectable } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { kindOf } from '../platform/database/kind.js';
import type { NumberReader, Transactions } from '../platform/database/numbers.js';
import { HOUR_MS } from './readings.schema.js';
import { type RetentionTables, type Retired, retiredIn } from './retention.js';
import { type DayParts, INSERT_DAYS, listOf } from './rollups.js';
import type { Level } from './series-grid.js';
import { NUMBER_READER } from './series.repository.js';

export const TRANSACTIONS = Symbol('TRANSACTIONS');

interface UpkeepTables extends RetentionTables {
  /** In which time zone a system's daily roll-ups are kept. */
  daily_zones: { system_id: string; time_zone: string };
}

export const upkeepMigrations: Migrations = {
  '2026-11-22-6-upkeep': {
    up: async (database: Kysely<unknown>) => {
      const { schema } = database;
      // What is not good is rare: with an index of its own it is counted without a look at all the rest.
      if (kindOf(database) === 'sqlite') {
        await sql`
          create index readings_not_good on readings (sensor_number, observed_at, quality) where quality <> 0
        `.execute(database);
      }
      await schema
        .createTable('retired')
        .addColumn('level', 'text', (column) => column.primaryKey())
        .addColumn('horizon', 'bigint', (column) => column.notNull())
        .execute();
      await schema
        .createTable('daily_zones')
        .addColumn('system_id', 'text', (column) => column.primaryKey().references('systems.id'))
        .addColumn('time_zone', 'text', (column) => column.notNull())
        .execute();
    },
  },
};

const TABLES = {
  raw: { table: 'readings', time: 'observed_at', readings: 'count(*)' },
  hourly: { table: 'rollups_hourly', time: 'at', readings: 'sum(count + suspect + bad)' },
  daily: { table: 'rollups_daily', time: 'at', readings: 'sum(count + suspect + bad)' },
} as const;

/** Few enough that nobody waits for the transaction that removes them. */
const ROWS_AT_ONCE = 2_000;

@Injectable()
export class UpkeepRepository {
  private readonly kind: 'sqlite' | 'postgres';

  constructor(
    @Inject(DATABASE) private readonly database: Kysely<UpkeepTables>,
    @Inject(NUMBER_READER) private readonly reader: NumberReader,
    @Inject(TRANSACTIONS) private readonly transactions: Transactions,
  ) {
    this.kind = kindOf(database);
  }

  retired(): Promise<Retired> {
    return retiredIn(this.database);
  }

  async retire(level: Level, horizon: number): Promise<void> {
    await this.transactions.transact([
      {
        statement: `insert into retired (level, horizon) values (?1, ?2)
          on conflict (level) do update set horizon = excluded.horizon where excluded.horizon > retired.horizon`,
        parameters: [level, horizon],
      },
    ]);
  }

  async dailyZone(systemId: string): Promise<string | null> {
    const row = await this.database
      .selectFrom('daily_zones')
      .select('time_zone')
      .where('system_id', '=', systemId)
      .executeTakeFirst();
    return row?.time_zone ?? null;
  }

  async dailyZones(): Promise<Map<string, string>> {
    const rows = await this.database.selectFrom('daily_zones').selectAll().execute();
    return new Map(rows.map(({ system_id, time_zone }) => [system_id, time_zone]));
  }

  async keepDailyZone(systemId: string, timeZone: string): Promise<void> {
    await this.transactions.transact([
      {
        statement: `insert into daily_zones (system_id, time_zone) values (?1, ?2)
          on conflict (system_id) do update set time_zone = excluded.time_zone`,
        parameters: [systemId, timeZone],
      },
    ]);
  }

  /** The first and the last hour of which a sensor has a roll-up. */
  async hoursOf(sensorNumber: number): Promise<{ first: number; last: number } | undefined> {
    const [first, last] = await this.reader.numbers(
      'select min(at), max(at) from rollups_hourly where sensor_number = ?1',
      [sensorNumber],
    );
    return Number.isNaN(first) ? undefined : { first: first!, last: last! };
  }

  /** Puts these days in the place of all from a time on. */
  async replaceDays(sensorNumber: number, from: number, days: DayParts[]): Promise<void> {
    const lock = 'select 1 as one from sensor_states where sensor_number = ?1 for update';
    await this.transactions.transact([
      // Who stores readings on PostgreSQL locks this too; on SQLite nobody else writes now anyway.
      ...(this.kind === 'postgres' ? [{ statement: lock, parameters: [sensorNumber] }] : []),
      {
        statement: 'delete from rollups_daily where sensor_number = ?1 and at >= ?2',
        parameters: [sensorNumber, from],
      },
      { statement: INSERT_DAYS[this.kind], parameters: [sensorNumber, listOf(days)] },
    ]);
  }

  /**
   * The oldest of a level, up to a time: whole hours, some thousand rows at the most.
   * @returns undefined where there is nothing so old.
   */
  async oldest(
    level: Level,
    sensorNumber: number,
    before: number,
  ): Promise<{ from: number; to: number } | undefined> {
    const { table, time } = TABLES[level];
    const [count, first, last] = await this.reader.numbers(
      `select count(*), min(${time}), max(${time}) from (
        select ${time} from ${table} where sensor_number = ?1 and ${time} < ?2 order by ${time} limit ${ROWS_AT_ONCE}
      ) as oldest`,
      [sensorNumber, before],
    );
    if (!count) return undefined;
    const from = hourOf(first!);
    if (count < ROWS_AT_ONCE) return { from, to: before };
    const lastHour = hourOf(last!);
    return { from, to: lastHour > from ? lastHour : lastHour + HOUR_MS };
  }

  /** How many readings there are at a level. */
  async readingsIn(level: Level, sensorNumber: number, from: number, to: number): Promise<number> {
    const { table, time, readings } = TABLES[level];
    const [found] = await this.reader.numbers(
      `select coalesce(${readings}, 0) from ${table} where sensor_number = ?1 and ${time} >= ?2 and ${time} < ?3`,
      [sensorNumber, from, to],
    );
    return found!;
  }

  async remove(level: Level, sensorNumber: number, from: number, to: number): Promise<void> {
    const { table, time } = TABLES[level];
    await this.transactions.transact([
      {
        statement: `delete from ${table} where sensor_number = ?1 and ${time} >= ?2 and ${time} < ?3`,
        parameters: [sensorNumber, from, to],
      },
    ]);
  }

  /** Months of readings that lie wholly before a time; undefined where readings are not kept by month. */
  async monthsBefore(before: number): Promise<{ name: string; from: number; to: number }[] | undefined> {
    if (this.kind === 'sqlite') return undefined;
    const { rows } = await sql<{ name: string | null; bound: string }>`
      select child.relname as name, pg_get_expr(child.relpartbound, child.oid) as bound
      from pg_class as parent
      left join pg_inherits on inhparent = parent.oid
      left join pg_class as child on child.oid = inhrelid
      where parent.oid = 'readings'::regclass and parent.relkind = 'p'`.execute(this.database);
    // TimescaleDB's chunks are of an ordinary table.
    if (rows.length === 0) return undefined;
    return rows
      .filter((row): row is { name: string; bound: string } => row.name !== null)
      .map(({ name, bound }) => {
        const [from, to] = [...bound.matchAll(/\d+/g)].map(Number);
        return { name, from: from!, to: to! };
      })
      .filter(({ to }) => to <= before);
  }

  /** The sensors of which a month has readings that are not in the roll-ups of its hours. */
  async sensorsAmiss(month: { name: string; from: number; to: number }): Promise<number[]> {
    const { rows } = await sql<{ sensor: number }>`
      select stored.sensor_number as sensor
      from (select sensor_number, count(*) as readings from ${sql.table(month.name)} group by 1) as stored
      left join (
        select sensor_number, sum(count + suspect + bad) as readings from rollups_hourly
        where at >= ${month.from} and at < ${month.to} group by 1
      ) as kept using (sensor_number)
      where kept.readings is distinct from stored.readings`.execute(this.database);
    return rows.map(({ sensor }) => sensor);
  }

  async dropMonth(name: string): Promise<void> {
    await this.database.transaction().execute(async (transaction) => {
      // Everybody waits behind whoever waits for this lock.
      await sql`set local lock_timeout = '3s'`.execute(transaction);
      await sql`drop table if exists ${sql.table(name)}`.execute(transaction);
    });
  }
}

const hourOf = (at: number): number => at - (at % HOUR_MS);
