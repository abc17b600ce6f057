import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';

import { DATABASE } from '../platform/database/database.module.js';
import { kindOf } from '../platform/database/kind.js';
import type { NumberReader } from '../platform/database/numbers.js';
import type { ReadingsTables } from './readings.schema.js';

export const NUMBER_READER = Symbol('NUMBER_READER');

/** What the probe said, or what the calibration makes of it. */
export type Values = 'raw' | 'calibrated';

export type Stretch = readonly [from: number, to: number];

/** A long look is taken in several, at once, and lets others in between. */
const STRETCHES_AT_ONCE = 350;
const MS_AT_ONCE = 16 * 86_400_000;
const HOURS_AT_ONCE = 100 * 86_400_000;

/** Where stretches come from: as JSON, or counted out where all have one width. */
const STRETCHES = {
  listed: 'stretch(lo, hi) as materialized (select value ->> 0, value ->> 1 from json_each(?2))',
  even: `recursive stretch(lo, hi) as (
    select cast(?2 as integer), cast(?2 + ?3 as integer)
    union all select hi, hi + cast(?3 as integer) from stretch where hi < ?4)`,
};

/**
 * Each stretch looks at its own readings: they lie side by side, so that nothing has to be sorted or grouped. Three looks
 * are faster than one with conditions, and a text of figures than a look for each.
 */
const figuresInSqlite = (stretches: string, column: string): string => `
  with ${stretches}
  select
    coalesce((select count(${column}) || ' ' || sum(${column}) || ' ' || min(${column}) || ' ' || max(${column})
      from readings where sensor_number = ?1 and observed_at >= lo and observed_at < hi and quality = 0), '0 0 NaN NaN'),
    coalesce((select ${column} || ' ' || observed_at from readings
      where sensor_number = ?1 and observed_at >= lo and observed_at < hi and quality = 0
      order by observed_at desc limit 1), 'NaN NaN'),
    coalesce((select sum(quality = 1) || ' ' || sum(quality = 2) from readings
      where sensor_number = ?1 and observed_at >= lo and observed_at < hi and quality <> 0), '0 0')
  from stretch`;

const figuresInPostgres = (column: string): string => `
  select figures.count, figures.sum, figures.min, figures.max, last.value, last.observed_at,
    figures.suspect, figures.bad
  from json_array_elements(?2::json) with ordinality as stretch(bounds, place)
  cross join lateral (select (bounds ->> 0)::bigint as lo, (bounds ->> 1)::bigint as hi) as bound
  cross join lateral (
    select count(${column}) filter (where quality = 0), coalesce(sum(${column}) filter (where quality = 0), 0) as sum,
      min(${column}) filter (where quality = 0), max(${column}) filter (where quality = 0),
      count(*) filter (where quality = 1) as suspect, count(*) filter (where quality = 2) as bad
    from readings where sensor_number = ?1 and observed_at >= lo and observed_at < hi
  ) as figures
  left join lateral (
    select ${column} as value, observed_at from readings
    where sensor_number = ?1 and observed_at >= lo and observed_at < hi and quality = 0
    order by observed_at desc limit 1
  ) as last on true
  order by place`;

const ROLLUPS = (table: string): string => `
  select at, count, sum, min, max, last, last_at, suspect, bad from ${table}
  where sensor_number = ?1 and at >= ?2 and at < ?3 order by at`;

@Injectable()
export class SeriesRepository {
  private readonly kind: 'sqlite' | 'postgres';

  constructor(
    @Inject(DATABASE) private readonly database: Kysely<ReadingsTables>,
    @Inject(NUMBER_READER) private readonly reader: NumberReader,
  ) {
    this.kind = kindOf(database);
  }

  /** @returns the figures of each stretch of time, one after the other. */
  async figuresOf(sensorNumber: number, stretches: Stretch[], values: Values): Promise<Float64Array> {
    const column = values === 'raw' ? 'raw' : 'value';
    return joined(
      await Promise.all(grouped(stretches).map((group) => this.look(sensorNumber, group, column))),
    );
  }

  /** @returns of each roll-up where it begins, and its figures; oldest first. */
  async rollups(
    level: 'hourly' | 'daily',
    sensorNumber: number,
    from: number,
    to: number,
  ): Promise<Float64Array> {
    const statement = ROLLUPS(level === 'hourly' ? 'rollups_hourly' : 'rollups_daily');
    const atOnce = level === 'hourly' ? HOURS_AT_ONCE : to - from;
    const looks: Promise<Float64Array>[] = [];
    for (let start = from; start < to; start += atOnce) {
      const end = Math.min(to, start + atOnce);
      looks.push(this.reader.numbers(statement, [sensorNumber, start, end]));
    }
    return joined(await Promise.all(looks));
  }

  private look(sensorNumber: number, group: Stretch[], column: string): Promise<Float64Array> {
    const width = widthOf(group);
    if (this.kind === 'sqlite' && width !== undefined) {
      const [from, to] = [group[0]![0], group.at(-1)![1]];
      const statement = figuresInSqlite(STRETCHES.even, column);
      return this.reader.numbers(statement, [sensorNumber, from, width, to]);
    }
    const statement =
      this.kind === 'sqlite' ? figuresInSqlite(STRETCHES.listed, column) : figuresInPostgres(column);
    return this.reader.numbers(statement, [sensorNumber, JSON.stringify(group)]);
  }
}

/** The width of all, where each begins where the one before it ends. */
function widthOf(stretches: Stretch[]): number | undefined {
  const [first] = stretches;
  const width = first![1] - first![0];
  let at = first![0];
  for (const [from, to] of stretches) {
    if (from !== at || to - from !== width) return undefined;
    at = to;
  }
  return width;
}

function grouped(stretches: Stretch[]): Stretch[][] {
  const groups: Stretch[][] = [];
  let group: Stretch[] = [];
  let length = 0;
  for (const stretch of stretches) {
    if (group.length >= STRETCHES_AT_ONCE || length >= MS_AT_ONCE) {
      groups.push(group);
      group = [];
      length = 0;
    }
    group.push(stretch);
    length += stretch[1] - stretch[0];
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

function joined(lists: Float64Array[]): Float64Array {
  if (lists.length === 1) return lists[0]!;
  const all = new Float64Array(lists.reduce((sum, list) => sum + list.length, 0));
  let place = 0;
  for (const list of lists) {
    all.set(list, place);
    place += list.length;
  }
  return all;
}
