import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { MIGRATIONS } from '../../dist/migrations.js';
import { end, makeFarm, serveOurs } from '../processes.ts';

/** Two run at once, and neither needs it. */
export const NO_BROKER = { MQTT_PORT: 'off' };
export const MINUTE_MS = 60_000;
/** A year at one reading a minute. */
export const READINGS_A_SENSOR = 525_600;
export const FROM = Date.UTC(2024, 0, 1);
export const TO = FROM + READINGS_A_SENSOR * MINUTE_MS;

/** Of another kind is what an older version of this, or of the product's tables, has made. */
const KIND = ['2', ...Object.keys(MIGRATIONS).sort()].join();
const BYTES_A_READING = 60;
const SPARE_BYTES = 2e9;

export interface FilledStore {
  dataDir: string;
  file: string;
  sensors: string[];
  /** The product's own numbers of the sensors. */
  numbers: number[];
  readings: number;
}

/** A farm with years of readings; made once, and kept with the temporary files for the next time. */
export async function filledStore(sensorCount: number): Promise<FilledStore> {
  const dataDir = join(tmpdir(), 'aquaponia-bench-query', `${sensorCount}-sensors`);
  const file = join(dataDir, 'aquaponia.db');
  const marker = join(dataDir, 'filled');
  const sensors = Array.from({ length: sensorCount }, (_, index) => `sensor-${index}`);
  const readings = sensorCount * READINGS_A_SENSOR;
  const isThere = existsSync(marker) && readFileSync(marker, 'utf8') === KIND;
  if (!isThere) {
    rmSync(dataDir, { recursive: true, force: true });
    mkdirSync(dataDir, { recursive: true });
    const { bavail, bsize } = statfsSync(dataDir);
    const needed = readings * BYTES_A_READING + SPARE_BYTES;
    if (bavail * bsize < needed) {
      throw new Error(`${dataDir} needs ${(needed / 1e9).toFixed(1)} GB, and the disk has not got that`);
    }
    say(`making a store of ${(readings / 1e6).toFixed(1)} million readings in ${dataDir}, which stays there`);
    await migrate(dataDir, sensors);
  }
  const database = new DatabaseSync(file);
  const numbers = sensors.map((id) => {
    const row = database.prepare('select number from sensors where id = ?').get(id) as { number: number };
    return row.number;
  });
  if (isThere) forgetLater(database, numbers);
  else fill(database, numbers);
  database.close();
  writeFileSync(marker, KIND);
  return { dataDir, file, sensors, numbers, readings };
}

async function migrate(dataDir: string, sensors: string[]): Promise<void> {
  const served = await serveOurs(dataDir, NO_BROKER);
  await makeFarm(served, sensors);
  await end(served);
}

/** What ingest would have written; a reading in a thousand is of a failed probe, one is suspect. */
function fill(database: DatabaseSync, numbers: number[]): void {
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144');
  const insert = database.prepare(`
    with recursive minute(i, noise) as (
      select 0, 0 union all select i + 1, ((i + ?1) * 7919 + 104729) % 1009 from minute where i + 1 < ${READINGS_A_SENSOR}
    ), reading(i, quality, raw) as (
      select i, case noise when 1 then 1 when 2 then 2 else 0 end,
        case noise when 2 then -127.0 else round(24 + 2 * sin(i / 200.0) + noise / 1000.0, 2) end
      from minute
    )
    insert into readings (sensor_number, observed_at, value, quality, raw, reasons, received_at)
    select ?1, ${FROM} + i * ${MINUTE_MS}, case quality when 2 then null else raw end, quality, raw,
      case quality when 1 then 512 when 2 then 4 else 0 end, ${FROM} + i * ${MINUTE_MS} + 500
    from reading`);
  const rollUp = ['hourly', 'daily'].map((level) => {
    const width = level === 'hourly' ? 3_600_000 : 86_400_000;
    return database.prepare(`
      insert into rollups_${level} (sensor_number, at, count, sum, min, max, last, last_at, suspect, bad)
      select sensor_number, at, count, sum, min, max,
        (select value from readings where sensor_number = ?1 and observed_at = last_at), last_at, suspect, bad
      from (
        select sensor_number, observed_at - observed_at % ${width} as at, sum(quality = 0) as count,
          sum(case quality when 0 then value end) as sum, min(case quality when 0 then value end) as min,
          max(case quality when 0 then value end) as max, max(case quality when 0 then observed_at end) as last_at,
          sum(quality = 1) as suspect, sum(quality = 2) as bad
        from readings where sensor_number = ?1 group by 2
      )`);
  });
  numbers.forEach((number, index) => {
    database.exec('begin');
    insert.run(number);
    for (const statement of rollUp) statement.run(number);
    putState(database, number);
    database.exec('commit');
    if (index % 10 === 9) say(`${index + 1} of ${numbers.length} sensors`);
  });
  database.exec(`
    insert or replace into daily_zones select id, time_zone from systems;
    PRAGMA wal_checkpoint(TRUNCATE)`);
}

/** What an earlier run has posted. */
function forgetLater(database: DatabaseSync, numbers: number[]): void {
  for (const number of numbers) {
    database.prepare('delete from readings where sensor_number = ? and observed_at >= ?').run(number, TO);
    for (const level of ['hourly', 'daily']) {
      database.prepare(`delete from rollups_${level} where sensor_number = ? and at >= ?`).run(number, TO);
    }
    putState(database, number);
  }
}

function putState(database: DatabaseSync, number: number): void {
  database
    .prepare(
      `insert or replace into sensor_states
        (sensor_number, newest_at, newest_raw, newest_value, newest_quality, unchanged_since, dirty_from, dirty_to)
      select sensor_number, observed_at, raw, value, quality, observed_at, null, null
      from readings where sensor_number = ? order by observed_at desc limit 1`,
    )
    .run(number);
}

export const say = (text: string): void => void process.stderr.write(`${text}\n`);
