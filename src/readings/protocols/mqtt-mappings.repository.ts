import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Kysely, type Selectable } from 'kysely';

import { DATABASE, type Migrations } from '../../platform/database/database.module.js';
import { autoNumber } from '../../platform/database/kind.js';

interface MappingsTable {
  id: Generated<number>;
  system_id: string;
  topic: string;
  /** A dotted path; empty: the payload itself. */
  field: string;
  /** One of the two is set. */
  sensor_id: string | null;
  device_id: string | null;
  /** value = reported · scale + shift. */
  scale: number;
  shift: number;
}

export type MappingRow = Selectable<MappingsTable>;
export type NewMappingRow = Omit<MappingRow, 'id'>;

export const mqttMigrations: Migrations = {
  '2026-11-22-3-mqtt': {
    up: (database: Kysely<unknown>) =>
      database.schema
        .createTable('mqtt_mappings')
        .addColumn('id', 'integer', autoNumber(database))
        .addColumn('system_id', 'text', (column) => column.notNull().references('systems.id'))
        .addColumn('topic', 'text', (column) => column.notNull())
        .addColumn('field', 'text', (column) => column.notNull())
        .addColumn('sensor_id', 'text')
        .addColumn('device_id', 'text')
        .addColumn('scale', 'double precision', (column) => column.notNull())
        .addColumn('shift', 'double precision', (column) => column.notNull())
        .execute(),
  },
};

@Injectable()
export class MqttMappingsRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<{ mqtt_mappings: MappingsTable }>) {}

  list(): Promise<MappingRow[]> {
    return this.database.selectFrom('mqtt_mappings').selectAll().orderBy('id').execute();
  }

  insert(mapping: NewMappingRow): Promise<MappingRow> {
    return this.database.insertInto('mqtt_mappings').values(mapping).returningAll().executeTakeFirstOrThrow();
  }

  async delete(systemId: string, id: number): Promise<boolean> {
    const { numDeletedRows } = await this.database
      .deleteFrom('mqtt_mappings')
      .where('system_id', '=', systemId)
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows === 1n;
  }
}
