import type { CompiledQuery } from 'kysely';
import type { Pool, PoolClient } from 'pg';

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
import { PartitionedReadings } from './partitions.js';
import { REMEMBERED } from './quality.js';
import type { RollupRow, SensorStateRow } from './readings.schema.js';
import type { ReadingsStore } from './readings.store.js';
import { COMMITTED_CHANNEL, tellCommitted } from './replicas.js';
import { type SensorFacts, systemsOf } from './sensor-facts.js';

/** An array as PostgreSQL reads it, for `unnest`; `pg` would quote and escape each number. */
const arrayOf = (column: ArrayLike<number | null>): string =>
  `{${Array.prototype.map.call(column, (each: number | null) => each ?? 'null').join(',')}}`;

/** Columns of rows: one parameter a column, however many rows. */
const columns = <Row extends object>(rows: Row[], names: (keyof Row)[]): string[] =>
  names.map((name) => arrayOf(rows.map((row) => row[name] as number | null)));

const ROLLUP: (keyof RollupRow)[] = [
  'sensor_number',
  'at',
  'count',
  'sum',
  'min',
  'max',
  'last',
  'last_at',
  'suspect',
  'bad',
];
const STATE: (keyof SensorStateRow)[] = [
  'sensor_number',
  'newest_at',
  'newest_raw',
  'newest_value',
  'newest_quality',
  'unchanged_since',
  'dirty_from',
  'dirty_to',
];

/** @param first the number of its first parameter */
const upsertRollups = (table: string, first: number): string => `
  insert into ${table} as kept
  select * from unnest(${[
    'int',
    'bigint',
    'int',
    'float8',
    'float8',
    'float8',
    'float8',
    'bigint',
    'int',
    'int',
  ]
    .map((type, index) => `$${first + index}::${type}[]`)
    .join(', ')})
  on conflict (sensor_number, at) do update set
    count = kept.count + excluded.count,
    sum = kept.sum + excluded.sum,
    min = least(kept.min, excluded.min),
    max = greatest(kept.max, excluded.max),
    last = case when kept.last_at is null or excluded.last_at >= kept.last_at then excluded.last else kept.last end,
    last_at = greatest(kept.last_at, excluded.last_at),
    suspect = kept.suspect + excluded.suspect,
    bad = kept.bad + excluded.bad`;

const STATEMENTS = {
  lockStates: 'select * from sensor_states where sensor_number = any ($1) order by sensor_number for update',
  addStates: `
    insert into sensor_states (sensor_number) select * from unnest($1::int[]) on conflict do nothing`,
  before: `
    select asked.sensor, observed_at as "observedAt", raw, value
    from unnest($1::int[], $2::bigint[]) as asked (sensor, at)
    cross join lateral (
      select observed_at, raw, value from readings where sensor_number = asked.sensor and observed_at < asked.at
      order by observed_at desc limit ${REMEMBERED}
    ) as past
    order by asked.sensor, observed_at`,
  rawAt: `
    select sensor_number as sensor, observed_at as at, raw from readings
    join unnest($1::int[], $2::bigint[]) as asked (sensor, at)
      on sensor_number = asked.sensor and observed_at = asked.at`,
  temperatures: `
    select sensor_number as sensor, observed_at as at, value from readings
    where sensor_number = any ($1) and observed_at between $2 and $3 and quality = 0 order by observed_at`,
  /** All at once: each question is a way there and back. */
  write: `
    with added as (
      insert into readings (sensor_number, observed_at, value, quality, raw, reasons, received_at)
      select *, $7::bigint
      from unnest($1::int[], $2::bigint[], $3::float8[], $4::smallint[], $5::float8[], $6::int[])
    ), hours as (${upsertRollups('rollups_hourly', 8)}
    ), days as (${upsertRollups('rollups_daily', 18)}
    ), states as (
      update sensor_states as kept set newest_at = told.newest_at, newest_raw = told.newest_raw,
        newest_value = told.newest_value, newest_quality = told.newest_quality,
        unchanged_since = told.unchanged_since, dirty_from = told.dirty_from, dirty_to = told.dirty_to
      from unnest($28::int[], $29::bigint[], $30::float8[], $31::float8[], $32::smallint[], $33::bigint[],
        $34::bigint[], $35::bigint[]) as told (sensor_number, newest_at, newest_raw, newest_value, newest_quality,
        unchanged_since, dirty_from, dirty_to)
      where kept.sensor_number = told.sensor_number
    )
    select pg_notify('${COMMITTED_CHANNEL}', $36)`,
};

/**
 * A flush locks the states of its sensors first, in the order of their numbers: of two processes with readings of the
 * same sensor the second sees what the first has committed, so nothing is stored or counted twice.
 */
export class PostgresStore implements ReadingsStore {
  private readonly memory = new JudgingMemory();
  private readonly partitions: PartitionedReadings;
  private lastReceivedAt = 0;

  constructor(private readonly pool: Pool) {
    this.partitions = new PartitionedReadings(pool);
  }

  async flush(batch: Batch, facts: Map<number, SensorFacts>): Promise<Commit> {
    await this.partitions.ensure(batch.times);
    const client = await this.pool.connect();
    let broken: Error | undefined;
    let isJudged = false;
    try {
      await client.query('begin');
      const series = await this.look(client, batch, facts);
      // A clock that is set back must not make the order of commits a lie.
      this.lastReceivedAt = Math.max(Date.now(), this.lastReceivedAt);
      isJudged = true;
      const flush = planFlush(batch, (n) => facts.get(n)!, series, this.memory, this.lastReceivedAt);
      if (flush.fresh.length > 0) await write(client, batch, flush, facts);
      await client.query('commit');
      return flush.commit;
    } catch (error) {
      // Before, it did not even hold the locks of these.
      if (isJudged) this.memory.forget(facts.keys());
      this.partitions.forgetIfMissing(error);
      await client.query('rollback').catch((failed: Error) => (broken = failed));
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async run<Row>({ sql, parameters }: CompiledQuery<Row>): Promise<Row[]> {
    return (await this.pool.query(sql, [...parameters])).rows as Row[];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** All that judging will ask for, in a few questions. */
  private async look(
    client: PoolClient,
    { sensors, times }: Batch,
    facts: Map<number, SensorFacts>,
  ): Promise<StoredSeries> {
    const states = await lockStates(client, [...facts.keys()]);
    const lateSensors: number[] = [];
    const lateTimes: number[] = [];
    const firstLate = new Map<number, number>();
    for (let place = 0; place < times.length; place++) {
      const [sensor, at] = [sensors[place]!, times[place]!];
      if (at > (states.get(sensor)!.newest_at ?? -Infinity)) continue;
      lateSensors.push(sensor);
      lateTimes.push(at);
      firstLate.set(sensor, Math.min(firstLate.get(sensor) ?? Infinity, at));
    }
    const known = new Map<string, number | null>();
    if (lateTimes.length > 0) {
      const { rows } = await client.query<{ sensor: number; at: number; raw: number | null }>({
        name: 'readings-raw-at',
        text: STATEMENTS.rawAt,
        values: [lateSensors, lateTimes],
      });
      for (const { sensor, at, raw } of rows) known.set(`${sensor}@${at}`, raw);
    }
    const forgotten = [...states.values()].filter(
      (state) =>
        state.newest_at !== null &&
        this.memory.recall(facts.get(state.sensor_number)!, state.newest_at).state === undefined,
    );
    const pasts = await before(client, [...firstLate]);
    const newestPasts = await before(
      client,
      forgotten.map((state): [number, number] => [state.sensor_number, Number.MAX_SAFE_INTEGER]),
    );
    const temperatures = await temperaturesOf(client, facts, times);
    return {
      state: (sensor) => states.get(sensor),
      rawAt: (sensor, at) => known.get(`${sensor}@${at}`),
      before: (sensor, at) => (at === Infinity ? newestPasts : pasts).get(sensor) ?? [],
      temperatureAt: (thermometer, at) =>
        temperatures
          .get(thermometer)
          ?.findLast((each) => each.at <= at && each.at >= at - THERMOMETER_STALE_MS),
    };
  }
}

async function lockStates(client: PoolClient, numbers: number[]): Promise<Map<number, SensorStateRow>> {
  const lock = { name: 'readings-lock-states', text: STATEMENTS.lockStates, values: [numbers] };
  let { rows } = await client.query<SensorStateRow>(lock);
  if (rows.length < numbers.length) {
    const sorted = numbers.toSorted((a, b) => a - b);
    await client.query({ name: 'readings-add-states', text: STATEMENTS.addStates, values: [sorted] });
    ({ rows } = await client.query<SensorStateRow>(lock));
  }
  return new Map(rows.map((row) => [row.sensor_number, row]));
}

async function before(
  client: PoolClient,
  asked: [sensor: number, at: number][],
): Promise<Map<number, Past[]>> {
  const pasts = new Map<number, Past[]>();
  if (asked.length === 0) return pasts;
  const { rows } = await client.query<Past & { sensor: number }>({
    name: 'readings-before',
    text: STATEMENTS.before,
    values: [asked.map(([sensor]) => sensor), asked.map(([, at]) => at)],
  });
  for (const { sensor, ...past } of rows) {
    const found = pasts.get(sensor);
    if (found) found.push(past);
    else pasts.set(sensor, [past]);
  }
  return pasts;
}

type Temperatures = Map<number, Temperature[]>;

async function temperaturesOf(
  client: PoolClient,
  facts: Map<number, SensorFacts>,
  times: Float64Array,
): Promise<Temperatures> {
  const found: Temperatures = new Map();
  const thermometers = new Set<number>();
  for (const { thermometer } of facts.values()) if (thermometer !== null) thermometers.add(thermometer);
  if (thermometers.size === 0) return found;
  const [first, last] = times.reduce(([least, most], at) => [Math.min(least, at), Math.max(most, at)], [
    Infinity,
    -Infinity,
  ] as [number, number]);
  const { rows } = await client.query<{ sensor: number; at: number; value: number }>({
    name: 'readings-temperatures',
    text: STATEMENTS.temperatures,
    values: [[...thermometers], first - THERMOMETER_STALE_MS, last],
  });
  for (const { sensor, at, value } of rows) {
    if (!found.has(sensor)) found.set(sensor, []);
    found.get(sensor)!.push({ at, value });
  }
  return found;
}

async function write(
  client: PoolClient,
  { sensors, times, raws }: Batch,
  { commit, fresh, values, hours, days, states }: Flush,
  facts: Map<number, SensorFacts>,
): Promise<void> {
  const { qualities, reasons, receivedAt } = commit;
  const fields = (column: ArrayLike<number>): string => arrayOf(fresh.map((place) => column[place]!));
  const figures = (column: Float64Array): string =>
    arrayOf(fresh.map((place) => (Number.isNaN(column[place]!) ? null : column[place]!)));
  await client.query({
    name: 'readings-write',
    text: STATEMENTS.write,
    values: [
      fields(sensors),
      fields(times),
      figures(values),
      fields(qualities),
      figures(raws),
      fields(reasons),
      receivedAt,
      ...columns(hours, ROLLUP),
      ...columns(days, ROLLUP),
      ...columns(states, STATE),
      tellCommitted({ systemIds: systemsOf(commit.sensors, facts), sensors: commit.sensors, receivedAt }),
    ],
  });
}
