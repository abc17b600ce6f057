import { type Kysely, PostgresAdapter } from 'kysely';

/** For the few statements that the dialects of SQL do not share. */
export function kindOf(database: Kysely<unknown>): 'sqlite' | 'postgres' {
  return database.getExecutor().adapter instanceof PostgresAdapter ? 'postgres' : 'sqlite';
}
