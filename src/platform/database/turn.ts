import { sql } from 'kysely';

import { type AnyDatabase, kindOf } from './kind.js';

/**
 * Waits until no other transaction, of this process or another, has the turn of this name; it is kept until the
 * transaction ends. For what is looked up and then written: how many admin keys there are, whether a state is known.
 * SQLite lets one writing transaction in at a time, and every transaction begins as one.
 */
export async function takeTurn(transaction: AnyDatabase, name: string): Promise<void> {
  if (kindOf(transaction) === 'sqlite') return;
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
}
