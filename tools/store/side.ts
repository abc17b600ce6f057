/** What both stores can hold, and give back alike. */
export type Value = number | string | Uint8Array | null;

export interface Table {
  name: string;
  columns: string[];
  /** The primary key: rows are read in its order. */
  key: string[];
  /** Tables whose rows must be there before. */
  parents: string[];
}

/** A store as it is copied from or to, seen through one transaction from its opening to its end. */
export interface Side {
  /** For people; without a password. */
  name: string;
  tables(): Promise<Table[]>;
  /** The names of the changes that have made its tables what they are. */
  migrations(): Promise<string[]>;
  count(table: Table): Promise<number>;
  /** In the order of the key, by some thousands; a row has the values of `table.columns`. */
  rows(table: Table): AsyncIterable<Value[][]>;
  /** The number that was given out last, where the key counts by itself. */
  lastNumber(table: Table): Promise<number | undefined>;
  write(table: Table, rows: Value[][]): Promise<void>;
  /** From now on numbers above this are given out. */
  raiseNumber(table: Table, number: number): Promise<void>;
  /** Ends the transaction, and the connection. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** Tables of the migrator itself: each store has its own. */
export const isOfMigrator = (table: string): boolean => table.startsWith('kysely_');

/** Rows that are under way at once; of tables with pictures fewer. */
export const ROWS_AT_ONCE = 5_000;
export const PICTURES_AT_ONCE = 50;
