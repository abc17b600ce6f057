import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';

import { DATABASE, type Migrations } from '../../platform/database/database.module.js';
import { READINGS_STORE, type ReadingsStore } from '../readings.store.js';

export interface IngestKeyRow {
  /** Whose keys these are: each sender counts its own. */
  scope: string;
  key: string;
  body_hash: string;
  arrived_at: number;
}

export const ingestKeysMigrations: Migrations = {
  '2026-11-22-2-idempotency': {
    up: async (database: Kysely<unknown>) => {
      await database.schema
        .createTable('ingest_keys')
        .addColumn('scope', 'text', (column) => column.notNull())
        .addColumn('key', 'text', (column) => column.notNull())
        .addColumn('body_hash', 'text', (column) => column.notNull())
        .addColumn('arrived_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('ingest_keys_pk', ['scope', 'key'])
        .execute();
      await database.schema
        .createIndex('ingest_keys_by_arrival')
        .on('ingest_keys')
        .column('arrived_at')
        .execute();
    },
  },
};

@Injectable()
export class IngestKeysRepository {
  constructor(
    @Inject(DATABASE) private readonly database: Kysely<{ ingest_keys: IngestKeyRow }>,
    @Inject(READINGS_STORE) private readonly store: ReadingsStore,
  ) {}

  /** Keeps the row unless one of its scope and key is there that is not forgotten yet. @returns the one that holds. */
  async keep(row: IngestKeyRow, forgottenBefore: number): Promise<IngestKeyRow> {
    const { body_hash, arrived_at } = row;
    const keeping = this.database
      .insertInto('ingest_keys')
      .values(row)
      .onConflict((conflict) =>
        conflict
          .columns(['scope', 'key'])
          .doUpdateSet({ body_hash, arrived_at })
          .where('ingest_keys.arrived_at', '<', forgottenBefore),
      )
      .returningAll()
      .compile();
    const [kept] = await this.store.run(keeping);
    if (kept) return kept;
    const there = await this.database
      .selectFrom('ingest_keys')
      .selectAll()
      .where('scope', '=', row.scope)
      .where('key', '=', row.key)
      .executeTakeFirst();
    // Forgotten between the two.
    return there ?? this.keep(row, forgottenBefore);
  }

  async forget(before: number): Promise<void> {
    await this.store.run(this.database.deleteFrom('ingest_keys').where('arrived_at', '<', before).compile());
  }
}
