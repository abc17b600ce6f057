/** `npm run restore`: puts a backup in the place of what the running service keeps. docs/STORAGE.md tells how. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { MIGRATIONS } from '../dist/migrations.js';
import { migratePostgres, type PostgresSettings } from '../dist/platform/database/postgres.js';
import { Obstacle } from './history/obstacle.ts';
import { copyRows, tablesOfBoth } from './store/copy.ts';
import { bringUpToDate, ownPlace, requireStore, requireWhole, run, say } from './store/open.ts';
import { PostgresSide } from './store/postgres-side.ts';
import type { Side, Table } from './store/side.ts';
import { SqliteSide } from './store/sqlite-side.ts';

const HELP = `Puts what a backup holds in the place of all that the service keeps: what came after the backup is gone.

  npm run restore -- FILE

The service may run: at every moment it sees all of the old or all of the new. While it lasts, what the service would
store is answered with 503. The store is the one that DATABASE_URL or AQUAPONIA_DATA_DIR names.`;

/** How long a transaction of the service may hold this one up. */
const PATIENCE_MS = 30_000;
const MOST_ATTEMPTS = 5;

await run(async () => {
  const [name, ...more] = process.argv.slice(2);
  if (name === '--help') return void process.stdout.write(`${HELP}\n`);
  if (!name || more.length > 0 || name.startsWith('-'))
    throw new Obstacle('Name one file; --help tells how.');
  const file = resolve(name);
  requireStore(file);
  requireWhole(file);
  const place = ownPlace();
  // Beside the store there is room for it; beside the backup nothing may be writable.
  const room = 'file' in place ? dirname(place.file) : tmpdir();
  mkdirSync(room, { recursive: true });
  const folder = mkdtempSync(join(room, 'restore-'));
  const copy = join(folder, 'backup.db');
  try {
    copyFileSync(file, copy);
    // A backup of an older version; the file itself stays as it is.
    await bringUpToDate(copy);
    const source = new SqliteSide(copy, { readOnly: true });
    const rows =
      'file' in place ? await restoreFile(source, place.file) : await restorePostgres(source, place.postgres);
    await source.rollback();
    say(
      `${rows} rows are restored from ${file}, and the same when read back; its keys are those that hold now.`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** In one transaction, by SQLite itself; compared row by row before that ends. */
async function restoreFile(source: SqliteSide, file: string): Promise<number> {
  // Makes the tables where there is no store yet.
  if (!existsSync(file)) await bringUpToDate(file);
  const old = new SqliteSide(file, { readOnly: true });
  const tables = await tablesToReplace(source, old);
  await old.rollback();
  const database = new DatabaseSync(file, { timeout: PATIENCE_MS });
  try {
    database.exec('pragma foreign_keys = off; pragma synchronous = full');
    database.prepare('attach ? as backup').run(source.name);
    database.exec('begin immediate');
    let rows = 0;
    for (const table of tables) rows += replaceTable(database, table);
    const [astray] = database.prepare('pragma main.foreign_key_check').all();
    if (astray) throw new Obstacle(`The backup has rows in ${String(astray.table)} that belong to nothing.`);
    database.exec('commit');
    database.close();
    requireWhole(file);
    return rows;
  } finally {
    // What is not committed never was.
    if (database.isOpen) database.close();
  }
}

function replaceTable(database: DatabaseSync, { name, columns, key }: Table): number {
  const inOrder = database.prepare(`select * from backup."${name}"`).columns();
  const isAlike = inOrder.every(({ column }, index) => column === columns[index]);
  const list = columns.map((column) => `"${column}"`).join(', ');
  // Rows of the same shape are moved as they are, many times as fast.
  const moved = isAlike ? `select * from` : `(${list}) select ${list} from`;
  database.exec(`delete from main."${name}"; insert into main."${name}" ${moved} backup."${name}"`);
  // Numbers that were given out after the backup are not given out again: a reading under way may bear one.
  if (database.prepare("select 1 from backup.sqlite_schema where name = 'sqlite_sequence'").get()) {
    database
      .prepare(
        `update main.sqlite_sequence set seq = max(seq, coalesce((select seq from backup.sqlite_sequence where name = ?1), 0))
         where name = ?1`,
      )
      .run(name);
  }
  const count = (sql: string): number => (database.prepare(sql).get() as { count: number }).count;
  const same = columns.map((column) => `a."${column}" is b."${column}"`).join(' and ');
  const [there, expected, alike] = [
    count(`select count(*) as count from main."${name}"`),
    count(`select count(*) as count from backup."${name}"`),
    count(
      `select count(*) as count from backup."${name}" b join main."${name}" a using (${key.map((column) => `"${column}"`).join(', ')}) where ${same}`,
    ),
  ];
  if (there !== expected || alike !== expected) {
    throw new Obstacle(
      `What the store gives back of ${name} is not what the backup holds; nothing was changed.`,
    );
  }
  return there;
}

/** In one transaction; read back and compared before that ends. */
async function restorePostgres(source: SqliteSide, settings: PostgresSettings): Promise<number> {
  await makeTables(settings);
  for (let attempt = 1; ; attempt++) {
    const target = await PostgresSide.open(settings);
    try {
      const tables = await tablesToReplace(source, target);
      await target.clear(tables.toReversed());
      const rows = await copyRows(source, target, tables);
      await target.commit();
      return rows;
    } catch (error) {
      // A transaction of the service had what this one waits for, and waited for what this one had.
      const isDeadlock = (error as { code?: string }).code === '40P01';
      if (!isDeadlock || attempt === MOST_ATTEMPTS) throw error;
    } finally {
      await target.rollback();
    }
  }
}

/** Where there is no store yet; one that is there may have a service on it, and is left as it is. */
async function makeTables(settings: PostgresSettings): Promise<void> {
  const found = await PostgresSide.open(settings);
  const { length } = await found.tables();
  await found.rollback();
  if (length === 0) await migratePostgres(settings, MIGRATIONS, say);
}

/** @throws Obstacle where the store is of another version than these tools: a service of that version may run on it. */
async function tablesToReplace(source: Side, target: Side): Promise<Table[]> {
  const known = Object.keys(MIGRATIONS).sort().join();
  if ((await target.migrations()).join() !== known) {
    throw new Obstacle(
      `${target.name} is of another version than these tools: use those of the service that runs on it.`,
    );
  }
  return tablesOfBoth(source, target);
}
