import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';

const PREPARED_STATEMENTS = 256;

/** A connection as every part of the service needs it. */
export function openSqlite(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  // Acknowledged means committed: FULL makes a commit wait for the disk, in WAL with one sync. The log may grow to
  // 32 MB before it is folded into the file: pages that many commits touch are then written there once.
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 5000;
    PRAGMA wal_autocheckpoint = 8000;
    PRAGMA cache_size = -65536;
  `);
  return database;
}

/** What Kysely's SQLite dialect needs, over Node's own SQLite; prepared statements are kept. */
export class NodeSqliteDatabase implements SqliteDatabase {
  private readonly database: DatabaseSync;
  private readonly statements = new Map<string, SqliteStatement>();

  constructor(file: string) {
    this.database = openSqlite(file);
  }

  prepare(text: string): SqliteStatement {
    const sql = this.asMeant(text);
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = new NodeSqliteStatement(this.database.prepare(sql));
      if (this.statements.size >= PREPARED_STATEMENTS) {
        this.statements.delete(this.statements.keys().next().value!);
      }
      this.statements.set(sql, statement);
    }
    return statement;
  }

  private asMeant(text: string): string {
    // A transaction that reads first and writes then would fail where another connection has written in between.
    if (text === 'begin') return 'begin immediate';
    // A full disk has rolled it back already; to say so once more would hide that it is full.
    if (text === 'rollback' && !this.database.isTransaction) return 'select null';
    return text;
  }

  close(): void {
    this.statements.clear();
    this.database.close();
  }
}

class NodeSqliteStatement implements SqliteStatement {
  readonly reader: boolean;

  constructor(private readonly statement: StatementSync) {
    this.reader = statement.columns().length > 0;
  }

  all(parameters: readonly unknown[]): unknown[] {
    return this.statement.all(...(parameters as SQLInputValue[]));
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.statement.run(...(parameters as SQLInputValue[]));
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.statement.iterate(...(parameters as SQLInputValue[]));
  }
}
