import { CompiledQuery, type Kysely, sql, type Transaction } from 'kysely';

import { kindOf } from '../platform/database/kind.js';
import { localDayOf } from '../platform/local-time.js';
import { HOUR_MS, type ReadingsTables } from './readings.schema.js';
import { type Retired, retiredIn } from './retention.js';

type Connection = Kysely<ReadingsTables> | Transaction<ReadingsTables>;

/** A local day: its whole hours, and the readings before and after these. */
export interface DayParts {
  at: number;
  from: number;
  firstHour: number;
  hoursEnd: number;
  to: number;
}

const DAYS = {
  sqlite: `
    select value ->> 0 as at, value ->> 1 as lo, value ->> 2 as first_hour, value ->> 3 as hours_end, value ->> 4 as hi
    from json_each(?2)`,
  postgres: `
    select (value ->> 0)::bigint as at, (value ->> 1)::bigint as lo, (value ->> 2)::bigint as first_hour,
      (value ->> 3)::bigint as hours_end, (value ->> 4)::bigint as hi
    from json_array_elements(?2::json)`,
};

const readingsAsParts = (from: string, to: string): string => `
  select day.at, case quality when 0 then 1 else 0 end, case quality when 0 then value else 0 end,
    case quality when 0 then value end, case quality when 0 then value end, case quality when 0 then value end,
    case quality when 0 then observed_at end, case quality when 1 then 1 else 0 end,
    case quality when 2 then 1 else 0 end
  from day cross join readings
  where sensor_number = ?1 and observed_at >= ${from} and observed_at < ${to}`;

/** Its parameters: the sensor, and the days as `listOf` has them. */
export const INSERT_DAYS = { sqlite: insertDays(DAYS.sqlite), postgres: insertDays(DAYS.postgres) };

function insertDays(days: string): string {
  return `
    insert into rollups_daily (sensor_number, at, count, sum, min, max, last, last_at, suspect, bad)
    with day as materialized (${days}),
    part as (
      select day.at, count, sum, min, max, last, last_at, suspect, bad
      from day cross join rollups_hourly as hour
      where hour.sensor_number = ?1 and hour.at >= first_hour and hour.at < hours_end
      union all ${readingsAsParts('lo', 'first_hour')}
      union all ${readingsAsParts('hours_end', 'hi')}
    ),
    ranked as (
      select part.*, row_number() over (partition by at order by coalesce(last_at, 0) desc) as place from part
    )
    select cast(?1 as integer), at, sum(count), sum(sum), min(min), max(max), max(case place when 1 then last end),
      max(last_at), sum(suspect), sum(bad)
    from ranked group by at`;
}

export const listOf = (days: DayParts[]): string =>
  JSON.stringify(days.map(({ at, from, firstHour, hoursEnd, to }) => [at, from, firstHour, hoursEnd, to]));

/** The local days from one instant to another; without those of which not even the hours are left. */
export function daysBetween(from: number, to: number, timeZone: string, retired: Retired): DayParts[] {
  const days: DayParts[] = [];
  for (let day = localDayOf(from, timeZone); day.from <= to; day = localDayOf(day.to, timeZone)) {
    if (day.from >= retired.raw) {
      days.push({
        ...day,
        at: day.from,
        firstHour: hourOf(day.from + HOUR_MS - 1),
        hoursEnd: hourOf(day.to),
      });
    } else if (day.from >= retired.hourly) {
      // An hour that two days share goes to the second; unless its readings are left, which the second counts one by one.
      const [first, end] = [hourOf(day.from), hourOf(day.to)];
      const to = end >= retired.raw ? day.to : end;
      days.push({ at: day.from, from: first, firstHour: first, hoursEnd: end, to });
    }
  }
  return days;
}

const hourOf = (at: number): number => at - (at % HOUR_MS);

const NOT_GOOD = sql`sum(case when quality = 1 then 1 else 0 end), sum(case when quality = 2 then 1 else 0 end)`;
const OF_GOOD = sql`
  sum(case when quality = 0 then 1 else 0 end), coalesce(sum(case when quality = 0 then value end), 0),
  min(case when quality = 0 then value end), max(case when quality = 0 then value end)`;
const LAST_GOOD_AT = sql`max(case when quality = 0 then observed_at end)`;

/**
 * Makes the hours and local days anew that a stretch of a sensor's readings touches; both ends belong to it. In the
 * transaction that has changed the readings, which keeps others from changing them meanwhile. Hours whose readings were
 * removed for their age stay as they are.
 */
export async function rebuildRollups(
  connection: Connection,
  sensor: number,
  timeZone: string,
  from: number,
  to: number,
): Promise<void> {
  const retired = await retiredIn(connection);
  const start = Math.max(from, retired.raw);
  if (start > to) return;
  const firstHour = hourOf(start);
  const hoursEnd = hourOf(to) + HOUR_MS;
  await clear(connection, 'rollups_hourly', sensor, firstHour, hoursEnd);
  const hour = sql`observed_at - observed_at % ${sql.lit(HOUR_MS)}`;
  await sql`
    insert into rollups_hourly (sensor_number, at, count, sum, min, max, last, last_at, suspect, bad)
    select sensor_number, ${hour}, ${OF_GOOD}, null, ${LAST_GOOD_AT}, ${NOT_GOOD}
    from readings where sensor_number = ${sensor} and observed_at >= ${firstHour} and observed_at < ${hoursEnd}
    group by sensor_number, ${hour}`.execute(connection);
  await sql`
    update rollups_hourly set last = (
      select value from readings where sensor_number = ${sensor} and observed_at = last_at
    ) where sensor_number = ${sensor} and at >= ${firstHour} and at < ${hoursEnd} and last_at is not null`.execute(
    connection,
  );
  const days = daysBetween(start, to, timeZone, retired);
  if (days.length === 0) return;
  await clear(connection, 'rollups_daily', sensor, days[0]!.at, days.at(-1)!.at + 1);
  const kind = kindOf(connection);
  const statement =
    kind === 'postgres' ? INSERT_DAYS.postgres.replace(/\?(\d)/g, '$$$1') : INSERT_DAYS.sqlite;
  await connection.executeQuery(CompiledQuery.raw(statement, [sensor, listOf(days)]));
}

async function clear(
  connection: Connection,
  table: 'rollups_hourly' | 'rollups_daily',
  sensor: number,
  from: number,
  to: number,
): Promise<void> {
  await connection
    .deleteFrom(table)
    .where('sensor_number', '=', sensor)
    .where('at', '>=', from)
    .where('at', '<', to)
    .execute();
}
