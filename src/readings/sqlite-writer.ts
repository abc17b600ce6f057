import type { DatabaseSync, StatementSync } from 'node:sqlite';

import {
  type Batch,
  type Commit,
  type Flush,
  JudgingMemory,
  type Past,
  planFlush,
  type StoredSeries,
  type Temperature,
  THERMOMETER_STALE_MS,
} from './flush.js';
import { REMEMBERED } from './quality.js';
import type { RollupRow, SensorStateRow } from './readings.schema.js';
import type { SensorFacts } from './sensor-facts.js';

const ROLLUP_UPSERT = (table: string): string => `
  insert into ${table} values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (sensor_number, at) do update set
    count = count + excluded.count,
    sum = sum + excluded.sum,
    min = coalesce(min(min, excluded.min), min, excluded.min),
    max = coalesce(max(max, excluded.max), max, excluded.max),
    last = case when last_at is null or excluded.last_at >= last_at then excluded.last else last end,
    last_at = coalesce(max(last_at, excluded.last_at), last_at, excluded.last_at),
    suspect = suspect + excluded.suspect,
    bad = bad + excluded.bad`;

const STATE_UPSERT = `
  insert into sensor_states values (?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (sensor_number) do update set
    newest_at = excluded.newest_at, newest_raw = excluded.newest_raw, newest_value = excluded.newest_value,
    newest_quality = excluded.newest_quality, unchanged_since = excluded.unchanged_since,
    dirty_from = excluded.dirty_from, dirty_to = excluded.dirty_to`;

/** One durable transaction after another, on a connection of its own; everything in it is synchronous. */
export class SqliteWriter implements StoredSeries {
  private readonly insert: StatementSync;
  private readonly upsertHour: StatementSync;
  private readonly upsertDay: StatementSync;
  private readonly upsertState: StatementSync;
  private readonly selectState: StatementSync;
  private readonly selectRaw: StatementSync;
  private readonly selectBefore: StatementSync;
  private readonly selectTemperature: StatementSync;
  private readonly memory = new JudgingMemory();
  private lastReceivedAt = 0;

  constructor(
    private readonly database: DatabaseSync,
    private readonly factsOf: (sensor: number) => SensorFacts,
  ) {
    this.insert = database.prepare('insert into readings values (?, ?, ?, ?, ?, ?, ?)');
    this.upsertHour = database.prepare(ROLLUP_UPSERT('rollups_hourly'));
    this.upsertDay = database.prepare(ROLLUP_UPSERT('rollups_daily'));
    this.upsertState = database.prepare(STATE_UPSERT);
    this.selectState = database.prepare('select * from sensor_states where sensor_number = ?');
    this.selectRaw = database.prepare('select raw from readings where sensor_number = ? and observed_at = ?');
    this.selectBefore = database.prepare(`
      select observed_at as observedAt, raw, value from readings where sensor_number = ? and observed_at < ?
      order by observed_at desc limit ${REMEMBERED}`);
    this.selectTemperature = database.prepare(`
      select observed_at as at, value from readings where sensor_number = ? and observed_at between ? and ? and quality = 0
      order by observed_at desc limit 1`);
  }

  write(batch: Batch): Commit {
    this.database.exec('begin immediate');
    try {
      // A clock that is set back must not make the order of commits a lie.
      this.lastReceivedAt = Math.max(Date.now(), this.lastReceivedAt);
      const flush = planFlush(batch, this.factsOf, this, this.memory, this.lastReceivedAt);
      this.apply(batch, flush);
      this.database.exec('commit');
      return flush.commit;
    } catch (error) {
      this.memory.forget(batch.sensors);
      // A full disk has rolled it back already.
      if (this.database.isTransaction) this.database.exec('rollback');
      throw error;
    }
  }

  state(sensor: number): SensorStateRow | undefined {
    return this.selectState.get(sensor) as unknown as SensorStateRow | undefined;
  }

  rawAt(sensor: number, at: number): number | null | undefined {
    return (this.selectRaw.get(sensor, at) as { raw: number | null } | undefined)?.raw;
  }

  before(sensor: number, at: number): Past[] {
    const rows = this.selectBefore.all(sensor, Math.min(at, Number.MAX_SAFE_INTEGER));
    return (rows as unknown as Past[]).reverse();
  }

  temperatureAt(thermometer: number, at: number): Temperature | undefined {
    const row = this.selectTemperature.get(thermometer, at - THERMOMETER_STALE_MS, at);
    return row as unknown as Temperature | undefined;
  }

  private apply(
    { sensors, times, raws }: Batch,
    { commit, fresh, values, hours, days, states }: Flush,
  ): void {
    const { qualities, reasons, receivedAt } = commit;
    // SQLite stores NaN as null.
    for (const place of fresh) {
      this.insert.run(
        sensors[place]!,
        times[place]!,
        values[place]!,
        qualities[place]!,
        raws[place]!,
        reasons[place]!,
        receivedAt,
      );
    }
    for (const row of hours) this.upsertHour.run(...rollupColumns(row));
    for (const row of days) this.upsertDay.run(...rollupColumns(row));
    for (const row of states) {
      this.upsertState.run(
        row.sensor_number,
        row.newest_at,
        row.newest_raw,
        row.newest_value,
        row.newest_quality,
        row.unchanged_since,
        row.dirty_from,
        row.dirty_to,
      );
    }
  }
}

const rollupColumns = (row: RollupRow): (number | null)[] => [
  row.sensor_number,
  row.at,
  row.count,
  row.sum,
  row.min,
  row.max,
  row.last,
  row.last_at,
  row.suspect,
  row.bad,
];
