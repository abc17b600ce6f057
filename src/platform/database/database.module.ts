import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DynamicModule, Global, Inject, Module, OnApplicationShutdown } from '@nestjs/common';
import { Kysely, sql, SqliteDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';

import { CONFIG, type Config, ConfigError } from '../config.js';
import { HealthRegistry } from '../health/health.registry.js';
import { NodeSqliteDatabase } from './node-sqlite.js';

/** The database; a repository narrows it to the tables of its own room. */
export const DATABASE = Symbol('DATABASE');

/** Each room brings the changes of its own tables; they run in the order of their names. */
export type Migrations = Record<string, Migration>;

export const databaseFile = (dataDir: string): string => join(dataDir, 'aquaponia.db');

export async function openDatabase(dataDir: string, migrations: Migrations): Promise<Kysely<unknown>> {
  const database = new Kysely<unknown>({ dialect: new SqliteDialect({ database: openFile(dataDir) }) });
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error)
    throw error instanceof Error ? error : new Error('the database could not be migrated', { cause: error });
  return database;
}

function openFile(dataDir: string): NodeSqliteDatabase {
  try {
    mkdirSync(dataDir, { recursive: true });
    return new NodeSqliteDatabase(databaseFile(dataDir));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'ENOSPC' || /disk is full/.test(message)) throw error;
    throw new ConfigError(
      `AQUAPONIA_DATA_DIR must be a directory that can be written, and ${dataDir} cannot be used (${message})`,
    );
  }
}

@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(
    @Inject(DATABASE) private readonly database: Kysely<unknown>,
    health: HealthRegistry,
  ) {
    health.register('database', async () => {
      await sql`select 1`.execute(this.database);
      return { ready: true };
    });
  }

  static withMigrations(...rooms: Migrations[]): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        {
          provide: DATABASE,
          inject: [CONFIG],
          useFactory: (config: Config) =>
            openDatabase(config.dataDir, Object.assign({}, ...rooms) as Migrations),
        },
      ],
      exports: [DATABASE],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.destroy();
  }
}
