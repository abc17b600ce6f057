import { type ColumnDefinitionBuilder, type Kysely, PostgresAdapter, sql } from 'kysely';

export type Kind = 'sqlite' | 'postgres';

/** A database or a transaction, whatever its tables. */
export type AnyDatabase = Pick<Kysely<unknown>, 'getExecutor'>;

/** Which of the two stores is behind it; also for a transaction, and within a migration. */
export const kindOf = (database: AnyDatabase): Kind =>
  database.getExecutor().adapter instanceof PostgresAdapter ? 'postgres' : 'sqlite';

/** For `addColumn(name, 'integer', …)`: a primary key that counts by itself. */
export const autoNumber =
  (database: AnyDatabase) =>
  (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder =>
    kindOf(database) === 'postgres'
      ? column.primaryKey().generatedByDefaultAsIdentity()
      : column.primaryKey().autoIncrement();

/** The type of a column that holds a picture or other bytes. */
export const bytes = (database: AnyDatabase) => (kindOf(database) === 'postgres' ? sql`bytea` : sql`blob`);

/** The type of a name by which rows are sorted: by its characters' codes, whatever language the store speaks. */
export const word = (database: AnyDatabase) =>
  kindOf(database) === 'postgres' ? sql`text collate "C"` : sql`text`;
