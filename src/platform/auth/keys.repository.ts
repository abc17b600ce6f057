import { Inject, Injectable } from '@nestjs/common';
import { Kysely, type Transaction } from 'kysely';

import { DATABASE, type Migrations } from '../database/database.module.js';
import { word } from '../database/kind.js';
import { takeTurn } from '../database/turn.js';
import type { Role } from './access.js';

export interface KeyRow {
  id: string;
  role: Role;
  system_id: string | null;
  /** The device of that system which alone uses it. */
  device_id: string | null;
  /** SHA-256 of the secret, in hexadecimal: a secret is 256 random bits, so no slow hash is needed. */
  hash: string;
  created_at: number;
}

export const keysMigrations: Migrations = {
  '2026-11-21-1-keys': {
    up: (database: Kysely<unknown>) =>
      database.schema
        .createTable('keys')
        .addColumn('id', word(database), (column) => column.primaryKey())
        .addColumn('role', 'text', (column) => column.notNull())
        .addColumn('system_id', 'text')
        .addColumn('hash', 'text', (column) => column.notNull().unique())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute(),
  },
  '2026-11-22-5-device-keys': {
    up: (database: Kysely<unknown>) =>
      database.schema.alterTable('keys').addColumn('device_id', 'text').execute(),
  },
};

interface KeysTables {
  keys: KeyRow;
}

/** What becomes of a key that shall go. */
export type Removal = 'removed' | 'unknown' | 'last-admin';

@Injectable()
export class KeysRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<KeysTables>) {}

  /** Those whose hash begins so: the caller compares the rest in constant time. */
  findByHashPrefix(prefix: string): Promise<KeyRow[]> {
    return this.database
      .selectFrom('keys')
      .selectAll()
      .where('hash', '>=', prefix)
      .where('hash', '<', prefix + 'g')
      .execute();
  }

  list(): Promise<KeyRow[]> {
    return this.database.selectFrom('keys').selectAll().orderBy('created_at').orderBy('id').execute();
  }

  /** @returns false where the id is taken. */
  async insert(key: KeyRow): Promise<boolean> {
    const { numInsertedOrUpdatedRows } = await this.database
      .insertInto('keys')
      .values(key)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows === 1n;
  }

  /** Takes the place of all keys of its device. @returns the ids of those. */
  replaceForDevice(key: KeyRow): Promise<string[]> {
    return this.inTurn(async (transaction) => {
      const replaced = await this.deleteOfDevice(key.system_id, key.device_id, transaction);
      await transaction.insertInto('keys').values(key).execute();
      return replaced;
    });
  }

  /** @returns the ids of those that there were. */
  async deleteOfDevice(
    systemId: string | null,
    deviceId: string | null,
    connection: Kysely<KeysTables> = this.database,
  ): Promise<string[]> {
    const deleted = await connection
      .deleteFrom('keys')
      .where('system_id', '=', systemId)
      .where('device_id', '=', deviceId)
      .returning('id')
      .execute();
    return deleted.map(({ id }) => id);
  }

  /** Sets the key of an id, whatever stood there. */
  put(key: KeyRow): Promise<void> {
    const { id, ...rest } = key;
    return this.inTurn(async (transaction) => {
      await transaction
        .insertInto('keys')
        .values(key)
        .onConflict((conflict) => conflict.column('id').doUpdateSet(rest))
        .execute();
    });
  }

  /** @returns false where there is an admin key already. */
  putFirstAdmin(key: KeyRow): Promise<boolean> {
    return this.inTurn(async (transaction) => {
      if ((await countAdmins(transaction)) > 0) return false;
      await transaction.deleteFrom('keys').where('id', '=', key.id).execute();
      await transaction.insertInto('keys').values(key).execute();
      return true;
    });
  }

  /** The last admin key stays. */
  remove(id: string): Promise<Removal> {
    return this.inTurn(async (transaction) => {
      const key = await transaction.selectFrom('keys').select('role').where('id', '=', id).executeTakeFirst();
      if (!key) return 'unknown';
      if (key.role === 'admin' && (await countAdmins(transaction)) === 1) return 'last-admin';
      await transaction.deleteFrom('keys').where('id', '=', id).execute();
      return 'removed';
    });
  }

  private inTurn<T>(action: (transaction: Transaction<KeysTables>) => Promise<T>): Promise<T> {
    return this.database.transaction().execute(async (transaction) => {
      await takeTurn(transaction, 'keys');
      return action(transaction);
    });
  }
}

async function countAdmins(transaction: Transaction<KeysTables>): Promise<number> {
  const { count } = await transaction
    .selectFrom('keys')
    .select((of) => of.fn.countAll<number>().as('count'))
    .where('role', '=', 'admin')
    .executeTakeFirstOrThrow();
  return count;
}
