import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';

import { asProblem } from '../http/problem.filter.js';
import { kyselyOverFile } from './sqlite.js';
import { isStoreUnavailable } from './unavailable.js';

/** What is thrown, as it is thrown. */
function thrownBy(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('a store that cannot do its work', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-unavailable-'));
  const file = join(folder, 'store.db');
  const database = new DatabaseSync(file);
  database.exec('pragma journal_mode = wal; create table t (id integer primary key, v text not null)');

  afterAll(() => {
    database.close();
    rmSync(folder, { recursive: true });
  });

  it('is one that fills up within a transaction', async () => {
    const store = kyselyOverFile(join(folder, 'small.db'));
    await sql`create table t (v text)`.execute(store);
    await sql`pragma max_page_count = 10`.execute(store);
    const filling = store.transaction().execute(async (transaction) => {
      await sql`insert into t values (hex(randomblob(200000)))`.execute(transaction);
    });
    const error = await filling.catch((thrown: unknown) => thrown);
    expect((error as Error).message).toMatch(/full/);
    expect(isStoreUnavailable(error)).toBe(true);
    await sql`insert into t values ('fits')`.execute(store);
    await store.destroy();
  });

  it('is one that is full', () => {
    database.exec('pragma max_page_count = 3');
    const error = thrownBy(() => database.exec('insert into t (v) values (hex(randomblob(20000)))'));
    database.exec('pragma max_page_count = 100000');
    expect(error.message).toMatch(/full/);
    expect(isStoreUnavailable(error)).toBe(true);
    const { type, occurrence } = asProblem(error);
    expect({ type, occurrence }).toMatchObject({
      type: { status: 503, code: 'STORE.UNAVAILABLE' },
      occurrence: { headers: { 'retry-after': '5' } },
    });
  });

  it('is one that another has locked, or that may only be read', () => {
    const other = new DatabaseSync(file, { timeout: 0 });
    database.exec('begin immediate');
    expect(isStoreUnavailable(thrownBy(() => other.exec("insert into t (v) values ('x')")))).toBe(true);
    database.exec('rollback');
    other.close();
    const reader = new DatabaseSync(file, { readOnly: true });
    expect(isStoreUnavailable(thrownBy(() => reader.exec("insert into t (v) values ('x')")))).toBe(true);
    reader.close();
  });

  it('is not one that was asked for nonsense', () => {
    expect(isStoreUnavailable(thrownBy(() => database.exec('insert into t (v) values (null)')))).toBe(false);
    expect(isStoreUnavailable(thrownBy(() => database.exec('select * from nothing')))).toBe(false);
    expect(isStoreUnavailable(new Error('Connection to the webhook was refused'))).toBe(false);
    expect(isStoreUnavailable('full')).toBe(false);
  });

  it('is known by the states of PostgreSQL, and no file that cannot be found by a socket', () => {
    const postgres = (code: string) => Object.assign(new Error(code), { code, severity: 'ERROR' });
    const states = {
      '57P01': true,
      '53300': true,
      '53100': true,
      '40P01': true,
      '23505': false,
      '42P01': false,
    };
    for (const [code, expected] of Object.entries(states)) {
      expect({ code, is: isStoreUnavailable(postgres(code)) }).toEqual({ code, is: expected });
    }
    const socket = Object.assign(new Error('x'), { code: 'ECONNREFUSED', syscall: 'connect' });
    expect(isStoreUnavailable(socket)).toBe(true);
    expect(isStoreUnavailable(new AggregateError([socket]))).toBe(true);
    expect(isStoreUnavailable(Object.assign(new Error('x'), { code: 'ENOENT', syscall: 'open' }))).toBe(
      false,
    );
  });
});
