import { Inject, Injectable } from '@nestjs/common';
import { Kysely } from 'kysely';

import { DATABASE, type Migrations } from '../database/database.module.js';
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
        .addColumn('id', 'text', (column) => column.primaryKey())
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

@Injectable()
export class KeysRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<{ keys: KeyRow }>) {}

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
    return this.database.transaction().execute(async (transaction) => {
      const replaced = await transaction
        .deleteFrom('keys')
        .where('system_id', '=', key.system_id)
        .where('device_id', '=', key.device_id)
        .returning('id')
        .execute();
      await transaction.insertInto('keys').values(key).execute();
      return replaced.map(({ id }) => id);
    });
  }

  /** Sets the key of an id, whatever stood there. */
  async put(key: KeyRow): Promise<void> {
    const { id, ...rest } = key;
    await this.database
      .insertInto('keys')
      .values(key)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(rest))
      .execute();
  }

  async delete(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.database.deleteFrom('keys').where('id', '=', id).executeTakeFirst();
    return numDeletedRows === 1n;
  }

  async isAdmin(id: string): Promise<boolean> {
    const key = await this.database.selectFrom('keys').select('role').where('id', '=', id).executeTakeFirst();
    return key?.role === 'admin';
  }

  async countAdmins(): Promise<number> {
    const { count } = await this.database
      .selectFrom('keys')
      .select((of) => of.fn.countAll<number>().as('count'))
      .where('role', '=', 'admin')
      .executeTakeFirstOrThrow();
    return Number(count);
  }
}
