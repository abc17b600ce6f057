/**
 * The limit: what a loop inserts that does nothing else, in one process with the store, one batch a transaction.
 * `bare.ts sqlite DIRECTORY ROWS` or `bare.ts postgres URL ROWS`; prints readings a second as JSON.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

const BATCH = 1_000;
const SENSORS = 20;
const START = Date.UTC(2020, 0, 1);
const TABLE = `create table readings (sensor_number integer not null, observed_at bigint not null, value double precision,
  quality smallint not null, raw double precision, reasons integer not null, received_at bigint not null,
  primary key (sensor_number, observed_at))`;

const [, , kind, where, rows] = process.argv as unknown as [string, string, string, string, string];
const batches = Number(rows) / BATCH;

/** One row of a batch: every sensor once a minute. */
function row(index: number): [number, number, number] {
  const minute = Math.floor(index / SENSORS);
  return [(index % SENSORS) + 1, START + minute * 60_000, 24 + 2 * Math.sin(minute / 200)];
}

function insertSqlite(): number {
  mkdirSync(where, { recursive: true });
  const database = new DatabaseSync(join(where, 'bare.db'));
  database.exec(`pragma journal_mode = wal; pragma synchronous = full; ${TABLE} without rowid`);
  const insert = database.prepare('insert into readings values (?, ?, ?, 0, ?, 0, ?)');
  const started = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    database.exec('begin immediate');
    for (let index = batch * BATCH; index < (batch + 1) * BATCH; index++) {
      const [sensor, at, value] = row(index);
      insert.run(sensor, at, value, value, START);
    }
    database.exec('commit');
  }
  return performance.now() - started;
}

async function insertPostgres(): Promise<number> {
  const client = new pg.Client(where);
  await client.connect();
  await client.query(TABLE);
  const started = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    const all = Array.from({ length: BATCH }, (_, index) => row(batch * BATCH + index));
    await client.query({
      name: 'insert',
      text: `insert into readings select sensor, at, value, 0, value, 0, $4 from
        unnest($1::int[], $2::bigint[], $3::float8[]) as new (sensor, at, value)`,
      values: [
        all.map(([sensor]) => sensor),
        all.map(([, at]) => at),
        all.map(([, , value]) => value),
        START,
      ],
    });
  }
  const took = performance.now() - started;
  await client.end();
  return took;
}

const tookMs = kind === 'sqlite' ? insertSqlite() : await insertPostgres();
console.log(JSON.stringify({ readingsPerSecond: (batches * BATCH) / (tookMs / 1000) }));
