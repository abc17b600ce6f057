import { type Kysely, sql, type Transaction } from 'kysely';

import { localDayOf } from '../platform/local-time.js';
import { HOUR_MS, type ReadingsTables } from './readings.schema.js';

type Connection = Kysely<ReadingsTables> | Transaction<ReadingsTables>;

const NOT_GOOD = sql`sum(case when quality = 1 then 1 else 0 end), sum(case when quality = 2 then 1 else 0 end)`;
const OF_GOOD = sql`
  sum(case when quality = 0 then 1 else 0 end), coalesce(sum(case when quality = 0 then value end), 0),
  min(case when quality = 0 then value end), max(case when quality = 0 then value end)`;
const LAST_GOOD_AT = sql`max(case when quality = 0 then observed_at end)`;

/**
 * Makes the hours and local days anew that a stretch of a sensor's readings touches; both ends belong to it. In the
 * transaction that has changed the readings, which keeps others from changing them meanwhile.
 */
export async function rebuildRollups(
  connection: Connection,
  sensor: number,
  timeZone: string,
  from: number,
  to: number,
): Promise<void> {
  const firstHour = from - (from % HOUR_MS);
  const hoursEnd = to - (to % HOUR_MS) + HOUR_MS;
  await clear(connection, 'rollups_hourly', sensor, firstHour, hoursEnd);
  const hour = sql`observed_at - observed_at % ${sql.lit(HOUR_MS)}`;
  await sql`
    insert into rollups_hourly (sensor_number, at, count, sum, min, max, last, last_at, suspect, bad)
    select sensor_number, ${hour}, ${OF_GOOD}, null, ${LAST_GOOD_AT}, ${NOT_GOOD}
    from readings where sensor_number = ${sensor} and observed_at >= ${firstHour} and observed_at < ${hoursEnd}
    group by sensor_number, ${hour}`.execute(connection);
  await fillLast(connection, 'rollups_hourly', sensor, firstHour, hoursEnd);
  let day = localDayOf(from, timeZone);
  const firstDay = day.from;
  for (; day.from <= to; day = localDayOf(day.to, timeZone)) {
    await clear(connection, 'rollups_daily', sensor, day.from, day.to);
    await rebuildDay(connection, sensor, day);
  }
  await fillLast(connection, 'rollups_daily', sensor, firstDay, day.from);
}

async function rebuildDay(
  connection: Connection,
  sensor: number,
  { from, to }: { from: number; to: number },
): Promise<void> {
  // Where midnight falls on a full hour of UTC, the hours say it all.
  const ofHours = from % HOUR_MS === 0 && to % HOUR_MS === 0;
  await (
    ofHours
      ? sql`
        insert into rollups_daily (sensor_number, at, count, sum, min, max, last, last_at, suspect, bad)
        select sensor_number, ${sql.lit(from)}, sum(count), sum(sum), min(min), max(max), null, max(last_at),
          sum(suspect), sum(bad)
        from rollups_hourly where sensor_number = ${sensor} and at >= ${from} and at < ${to}
        group by sensor_number`
      : sql`
        insert into rollups_daily (sensor_number, at, count, sum, min, max, last, last_at, suspect, bad)
        select sensor_number, ${sql.lit(from)}, ${OF_GOOD}, null, ${LAST_GOOD_AT}, ${NOT_GOOD}
        from readings where sensor_number = ${sensor} and observed_at >= ${from} and observed_at < ${to}
        group by sensor_number`
  ).execute(connection);
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

const fillLast = (
  connection: Connection,
  table: 'rollups_hourly' | 'rollups_daily',
  sensor: number,
  from: number,
  to: number,
) =>
  sql`
    update ${sql.table(table)} set last = (
      select value from readings where sensor_number = ${sensor} and observed_at = last_at
    ) where sensor_number = ${sensor} and at >= ${from} and at < ${to} and last_at is not null`.execute(
    connection,
  );
