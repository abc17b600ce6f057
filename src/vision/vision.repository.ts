import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Kysely, type Selectable } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { autoNumber, bytes } from '../platform/database/kind.js';
import { newestFirst } from '../platform/database/newest-first.js';
import type { PageQuery } from '../platform/http/page.js';

interface VisionTables {
  analyses: {
    id: Generated<number>;
    system_id: string | null;
    at: number;
    /** The figures, as JSON. */
    body: string;
    /** JPEG: in the database, since a replica's disk is not where the next request goes. */
    overlay: Uint8Array | null;
  };
}

export type AnalysisRow = Omit<Selectable<VisionTables['analyses']>, 'overlay'>;

export const visionMigrations: Migrations = {
  '2026-11-21-5-vision': {
    up: async (database: Kysely<unknown>) => {
      await database.schema
        .createTable('analyses')
        .addColumn('id', 'integer', autoNumber(database))
        .addColumn('system_id', 'text', (column) => column.references('systems.id'))
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('body', 'text', (column) => column.notNull())
        .addColumn('overlay', bytes(database))
        .execute();
      await database.schema
        .createIndex('analyses_of_system')
        .on('analyses')
        .columns(['system_id', 'id'])
        .execute();
    },
  },
};

/** Figures are kept; of the pictures, only those of so many newest analyses. */
const OVERLAYS_KEPT = 500;

@Injectable()
export class VisionRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<VisionTables>) {}

  async insert(analysis: Omit<AnalysisRow, 'id'>, overlay: Buffer): Promise<number> {
    const { id } = await this.database
      .insertInto('analyses')
      .values({ ...analysis, overlay })
      .returning('id')
      .executeTakeFirstOrThrow();
    await this.database
      .updateTable('analyses')
      .set({ overlay: null })
      .where('id', '<=', id - OVERLAYS_KEPT)
      // Not that id alone: on PostgreSQL there are ids that nothing has.
      .where('id', '>', id - 2 * OVERLAYS_KEPT)
      .where('overlay', 'is not', null)
      .execute();
    return id;
  }

  async update(id: number, body: string): Promise<void> {
    await this.database.updateTable('analyses').set({ body }).where('id', '=', id).execute();
  }

  async remove(id: number): Promise<void> {
    await this.database.deleteFrom('analyses').where('id', '=', id).execute();
  }

  list(systemId: string, page: PageQuery): Promise<AnalysisRow[]> {
    return this.database
      .selectFrom('analyses')
      .select(['id', 'system_id', 'at', 'body'])
      .where('system_id', '=', systemId)
      .$call(newestFirst(page))
      .execute();
  }

  async findOverlay(id: number): Promise<Buffer | undefined> {
    const row = await this.database
      .selectFrom('analyses')
      .select('overlay')
      .where('id', '=', id)
      .executeTakeFirst();
    return row?.overlay ? Buffer.from(row.overlay) : undefined;
  }
}
