import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

import { MIGRATIONS } from '../../dist/migrations.js';
import { type Config, ConfigError, readConfig } from '../../dist/platform/config.js';
import { migrate } from '../../dist/platform/database/migrate.js';
import { migratePostgres, type PostgresSettings } from '../../dist/platform/database/postgres.js';
import { databaseFile, kyselyOverFile } from '../../dist/platform/database/sqlite.js';
import { listed, Obstacle } from '../history/obstacle.ts';
import { PostgresSide } from './postgres-side.ts';
import type { Side } from './side.ts';
import { SqliteSide } from './sqlite-side.ts';

/** Where a store is: a SQLite file, or a PostgreSQL. */
export type Place = { file: string } | { postgres: PostgresSettings };

/** @param text sqlite:FILE, FILE, or a URL of PostgreSQL */
export function placeOf(text: string): Place {
  if (!/^postgres(ql)?:/.test(text)) return { file: text.replace(/^sqlite:/, '') };
  return { postgres: configOf({ ...process.env, DATABASE_URL: text }).postgres! };
}

/** The store of the service that is set up by this environment. */
export function ownPlace(): Place {
  const { postgres, dataDir } = configOf(process.env);
  return postgres ? { postgres } : { file: databaseFile(dataDir) };
}

function configOf(environment: Record<string, string | undefined>): Config {
  try {
    return readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) throw new Obstacle(`The configuration is wrong: ${error.message}.`);
    throw error;
  }
}

/** Opens a store to read it as it is at this moment, whatever happens to it meanwhile. */
export async function openToRead(place: Place): Promise<Side> {
  if ('postgres' in place) {
    const side = await PostgresSide.open(place.postgres, { readOnly: true }).catch(explain);
    if ((await side.tables()).some(({ name }) => name === 'systems')) return side;
    await side.rollback();
    throw new Obstacle(`${side.name} is no store of Aquaponia.`);
  }
  requireStore(place.file);
  return new SqliteSide(place.file, { readOnly: true });
}

/** Opens a store to write it, with its tables made and up to date. */
export async function openToWrite(place: Place): Promise<Side> {
  if ('postgres' in place) {
    await migratePostgres(place.postgres, MIGRATIONS, say).catch(explain);
    return PostgresSide.open(place.postgres);
  }
  if (existsSync(place.file)) requireStore(place.file);
  await bringUpToDate(place.file);
  return new SqliteSide(place.file);
}

export async function bringUpToDate(file: string): Promise<void> {
  const database = kyselyOverFile(file);
  try {
    await migrate(database, MIGRATIONS);
  } catch (error) {
    throw new Obstacle(`${file} cannot be brought up to date (${(error as Error).message}).`);
  } finally {
    await database.destroy();
  }
}

/** @throws Obstacle where a file is not a whole store of this version or an older one. */
export function requireStore(file: string): void {
  if (!existsSync(file)) throw new Obstacle(`There is no ${file}.`);
  if (!beginsLikeSqlite(file)) throw new Obstacle(`${file} is no backup or store of Aquaponia.`);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const names = database.prepare('select name from kysely_migration').all() as { name: string }[];
    const unknown = names.map(({ name }) => name).filter((name) => !(name in MIGRATIONS));
    if (names.length === unknown.length) throw new Obstacle(`${file} is no backup or store of Aquaponia.`);
    if (unknown.length > 0) {
      throw new Obstacle(`${file} is of a newer version (${listed(unknown)}): use that version's tools.`);
    }
  } catch (error) {
    if (error instanceof Obstacle) throw error;
    const { errcode, message } = error as { errcode?: number; message: string };
    if (errcode === 1) throw new Obstacle(`${file} is no backup or store of Aquaponia.`);
    throw new Obstacle(`${file} cannot be read (${message}).`);
  } finally {
    database.close();
  }
}

/** @throws Obstacle where a page of a file is damaged or missing. */
export function requireWhole(file: string): void {
  const database = new DatabaseSync(file, { readOnly: true });
  let found: string;
  try {
    found = String(Object.values(database.prepare('pragma integrity_check(1)').get()!)[0]);
  } catch (error) {
    found = (error as Error).message;
  } finally {
    database.close();
  }
  if (found !== 'ok') throw new Obstacle(`${file} is damaged (${found.split('\n').at(-1)}).`);
}

function beginsLikeSqlite(file: string): boolean {
  const descriptor = openSync(file, 'r');
  try {
    const head = Buffer.alloc(16);
    readSync(descriptor, head, 0, head.length, 0);
    return head.toString('latin1') === 'SQLite format 3\0';
  } finally {
    closeSync(descriptor);
  }
}

const explain = (error: Error): never => {
  throw new Obstacle(`${error.message}.`);
};

export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Runs a tool; what a person can mend is said in a sentence. */
export async function run(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Obstacle)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
