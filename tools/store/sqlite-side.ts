import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

import { isOfMigrator, PICTURES_AT_ONCE, ROWS_AT_ONCE, type Side, type Table, type Value } from './side.ts';

const PAGES_AT_ONCE = 2_000;

const quoted = (name: string): string => `"${name}"`;
const listOf = (names: string[]): string => names.map(quoted).join(', ');

export class SqliteSide implements Side {
  readonly name: string;
  private readonly database: DatabaseSync;
  private readonly inserts = new Map<string, StatementSync>();

  constructor(file: string, { readOnly = false } = {}) {
    this.name = file;
    this.database = new DatabaseSync(file, { readOnly, timeout: 10_000 });
    // Rows come table by table; whether all of them fit together is checked at the end.
    this.database.exec('pragma foreign_keys = off');
    this.database.exec(readOnly ? 'begin' : 'begin immediate');
    // In WAL a transaction sees what was there at its first look.
    this.database.prepare('select count(*) from sqlite_schema').get();
  }

  tables(): Promise<Table[]> {
    const names = this.strings(
      "select name from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite@_%' escape '@' order by name",
    );
    const tables = names
      .filter((name) => !isOfMigrator(name))
      .map((name) => ({
        name,
        columns: this.strings('select name from pragma_table_info(?) order by cid', name),
        key: this.strings('select name from pragma_table_info(?) where pk > 0 order by pk', name),
        parents: this.strings('select distinct "table" from pragma_foreign_key_list(?)', name),
      }));
    return Promise.resolve(tables);
  }

  migrations(): Promise<string[]> {
    return Promise.resolve(this.strings('select name from kysely_migration order by name'));
  }

  count({ name }: Table): Promise<number> {
    const { count } = this.database.prepare(`select count(*) as count from ${quoted(name)}`).get() as {
      count: number;
    };
    return Promise.resolve(count);
  }

  /** The file itself, as this transaction sees it: without one, each commit of the service would begin it anew. */
  async copyPages(to: string, progress: (pages: number, of: number) => void): Promise<void> {
    await backup(this.database, to, {
      rate: PAGES_AT_ONCE,
      progress: ({ totalPages, remainingPages }) => progress(totalPages - remainingPages, totalPages),
    });
  }

  async *rows({ name, columns, key }: Table): AsyncIterable<Value[][]> {
    const size = this.hasPictures(name) ? PICTURES_AT_ONCE : ROWS_AT_ONCE;
    const select = this.database.prepare(
      `select ${listOf(columns)} from ${quoted(name)} order by ${listOf(key)}`,
    );
    select.setReturnArrays(true);
    let rows: Value[][] = [];
    for (const row of select.iterate() as unknown as Iterable<Value[]>) {
      if (rows.push(row) < size) continue;
      yield rows;
      rows = [];
      // So that Ctrl-C is heard.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (rows.length > 0) yield rows;
  }

  lastNumber({ name }: Table): Promise<number | undefined> {
    if (this.strings("select name from sqlite_schema where name = 'sqlite_sequence'").length === 0)
      return Promise.resolve(undefined);
    const row = this.database.prepare('select seq from sqlite_sequence where name = ?').get(name);
    return Promise.resolve((row as { seq: number } | undefined)?.seq);
  }

  write({ name, columns }: Table, rows: Value[][]): Promise<void> {
    let insert = this.inserts.get(name);
    if (!insert) {
      const places = columns.map(() => '?').join(', ');
      insert = this.database.prepare(`insert into ${quoted(name)} (${listOf(columns)}) values (${places})`);
      this.inserts.set(name, insert);
    }
    for (const row of rows) insert.run(...(row as SQLInputValue[]));
    return Promise.resolve();
  }

  raiseNumber({ name }: Table, number: number): Promise<void> {
    const raised = this.database
      .prepare('update sqlite_sequence set seq = max(seq, ?) where name = ?')
      .run(number, name);
    if (raised.changes === 0) {
      this.database.prepare('insert into sqlite_sequence (name, seq) values (?, ?)').run(name, number);
    }
    return Promise.resolve();
  }

  commit(): Promise<void> {
    const [astray] = this.database.prepare('pragma foreign_key_check').all() as { table: string }[];
    if (astray) {
      return Promise.reject(new Error(`a row in ${astray.table} belongs to one that is not there`));
    }
    this.database.exec('commit');
    this.database.close();
    return Promise.resolve();
  }

  rollback(): Promise<void> {
    if (this.database.isOpen) this.database.close();
    return Promise.resolve();
  }

  private hasPictures(table: string): boolean {
    return this.strings("select name from pragma_table_info(?) where lower(type) = 'blob'", table).length > 0;
  }

  private strings(sql: string, ...parameters: string[]): string[] {
    const statement = this.database.prepare(sql);
    return statement.all(...parameters).map((row) => String(Object.values(row)[0]));
  }
}
