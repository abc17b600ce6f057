import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';

import { ConfigError } from '../config.js';
import { NodeSqliteDatabase } from './node-sqlite.js';

export const databaseFile = (dataDir: string): string => join(dataDir, 'aquaponia.db');

export const kyselyOverFile = (file: string): Kysely<unknown> =>
  new Kysely<unknown>({ dialect: new SqliteDialect({ database: new NodeSqliteDatabase(file) }) });

export function kyselyIn(dataDir: string): Kysely<unknown> {
  try {
    mkdirSync(dataDir, { recursive: true });
    return kyselyOverFile(databaseFile(dataDir));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'ENOSPC' || /disk is full/.test(message)) throw error;
    throw new ConfigError(
      `AQUAPONIA_DATA_DIR must be a directory that can be written, and ${dataDir} cannot be used (${message})`,
    );
  }
}
