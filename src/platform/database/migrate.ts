import { type Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';

/** Each room brings the changes of its own tables; they run in the order of their names. */
export type Migrations = Record<string, Migration>;

export async function migrate(database: Kysely<unknown>, migrations: Migrations): Promise<void> {
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error)
    throw error instanceof Error ? error : new Error('the database could not be migrated', { cause: error });
}
