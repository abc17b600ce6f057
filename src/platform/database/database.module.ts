import { DynamicModule, Global, Inject, Module, OnApplicationShutdown } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';
import type { Pool } from 'pg';
import type { Logger } from 'pino';

import { CONFIG, type Config } from '../config.js';
import { HealthRegistry } from '../health/health.registry.js';
import { LOGGER } from '../logging.js';
import { kindOf } from './kind.js';
import { type Migrations, migrate } from './migrate.js';
import { atMost, GOODBYE_MS } from './patience.js';
import { kyselyOver, migratePostgres, openPool } from './postgres.js';
import { kyselyIn } from './sqlite.js';

export type { Migrations } from './migrate.js';
export { databaseFile } from './sqlite.js';

/** The database; a repository narrows it to the tables of its own room. */
export const DATABASE = Symbol('DATABASE');

/** The connections to PostgreSQL, for what Kysely has no words for; undefined where SQLite is the store. */
export const POSTGRES_POOL = Symbol('POSTGRES_POOL');

const STORE = Symbol('STORE');

export interface Store {
  database: Kysely<unknown>;
  pool: Pool | undefined;
}

/** SQLite in the data directory, or PostgreSQL where a URL is set; up to date. */
export async function openStore(
  { dataDir, postgres }: Pick<Config, 'dataDir' | 'postgres'>,
  migrations: Migrations,
  logger: Pick<Logger, 'warn'>,
): Promise<Store> {
  if (!postgres) {
    const database = kyselyIn(dataDir);
    await migrate(database, migrations);
    return { database, pool: undefined };
  }
  await migratePostgres(postgres, migrations, (text) => logger.warn(text));
  const pool = openPool(postgres, (error) =>
    logger.warn({ err: error }, 'a connection to PostgreSQL was lost'),
  );
  return { database: kyselyOver(pool), pool };
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
      return { ready: true, kind: kindOf(this.database) };
    });
  }

  static with(migrations: Migrations): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        {
          provide: STORE,
          inject: [CONFIG, LOGGER],
          useFactory: (config: Config, logger: Logger) => openStore(config, migrations, logger),
        },
        { provide: DATABASE, inject: [STORE], useFactory: ({ database }: Store) => database },
        { provide: POSTGRES_POOL, inject: [STORE], useFactory: ({ pool }: Store) => pool },
      ],
      exports: [DATABASE, POSTGRES_POOL],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await atMost(GOODBYE_MS, this.database.destroy());
  }
}
