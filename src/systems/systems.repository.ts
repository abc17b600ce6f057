import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Insertable, type Kysely, type Selectable, type Transaction } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { autoNumber, word } from '../platform/database/kind.js';
import type { ActuatorKind } from './actuators.js';
import type { Probe } from './calibration.js';
import type { TimedCurve } from './curve.js';
import type { QualityRules } from './quality-rules.js';
import { factsOf, type Quantity } from './quantities.js';

interface SystemsTables {
  systems: {
    id: string;
    name: string;
    template: string | null;
    species: string;
    crop: string;
    altitude_m: number;
    /** By its IANA name. */
    time_zone: Generated<string>;
    created_at: number;
  };
  devices: { system_id: string; id: string; name: string };
  sensors: {
    /** A small number for the rows of the series; `id` is what people see. */
    number: Generated<number>;
    system_id: string;
    id: string;
    device_id: string;
    quantity: Quantity;
    place: string;
    /** What the probe reports in, where that is not the quantity's unit. */
    raw_unit: string | null;
    /** 0 for a conductivity probe that reports what it measures at the temperature of the water. */
    is_compensated: Generated<number>;
    /** What an operator has changed of the quantity's rules, as JSON. */
    rules: Generated<string>;
    /** The calibrations that hold, as JSON: what judging needs of them, so that a look at the sensor is enough. */
    curves: Generated<string>;
    /** When the probe was in a bottle, as JSON. */
    calibrating: Generated<string>;
    /** When the calibration in force was applied. */
    calibrated_at: number | null;
  };
  actuators: { system_id: string; id: string; device_id: string; kind: ActuatorKind; place: string };
}

export type SystemRow = Selectable<SystemsTables['systems']>;
export type SystemChange = Partial<Pick<SystemRow, 'name' | 'time_zone' | 'altitude_m'>>;
export type DeviceRow = SystemsTables['devices'];
export type SensorRow = Selectable<SystemsTables['sensors']>;
export type NewSensorRow = Insertable<SystemsTables['sensors']>;
export type SensorChange = Partial<
  Pick<SensorRow, 'device_id' | 'place' | 'raw_unit' | 'is_compensated' | 'rules'>
>;
export type ActuatorRow = SystemsTables['actuators'];

export interface Parts {
  devices: DeviceRow[];
  sensors: NewSensorRow[];
  actuators: ActuatorRow[];
}

export const systemsMigrations: Migrations = {
  '2026-11-21-2-systems': {
    up: async (database: Kysely<unknown>) => {
      const { schema } = database;
      await schema
        .createTable('systems')
        .addColumn('id', word(database), (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('template', 'text')
        .addColumn('species', 'text', (column) => column.notNull())
        .addColumn('crop', 'text', (column) => column.notNull())
        .addColumn('altitude_m', 'integer', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute();
      await schema
        .createTable('devices')
        .addColumn('system_id', 'text', (column) => column.notNull().references('systems.id'))
        .addColumn('id', word(database), (column) => column.notNull())
        .addColumn('name', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('devices_pk', ['system_id', 'id'])
        .execute();
      await schema
        .createTable('sensors')
        .addColumn('number', 'integer', autoNumber(database))
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('id', word(database), (column) => column.notNull())
        .addColumn('device_id', 'text', (column) => column.notNull())
        .addColumn('quantity', 'text', (column) => column.notNull())
        .addColumn('place', 'text', (column) => column.notNull())
        .addUniqueConstraint('sensors_unique', ['system_id', 'id'])
        .addForeignKeyConstraint('sensors_device', ['system_id', 'device_id'], 'devices', ['system_id', 'id'])
        .execute();
      await schema
        .createTable('actuators')
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('id', word(database), (column) => column.notNull())
        .addColumn('device_id', 'text', (column) => column.notNull())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('place', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('actuators_pk', ['system_id', 'id'])
        .addForeignKeyConstraint('actuators_device', ['system_id', 'device_id'], 'devices', [
          'system_id',
          'id',
        ])
        .execute();
    },
  },
  '2026-11-22-5-devices': {
    up: async ({ schema }: Kysely<unknown>) => {
      await schema
        .alterTable('systems')
        .addColumn('time_zone', 'text', (column) => column.notNull().defaultTo('UTC'))
        .execute();
    },
  },
};

/** What of a sensor matters to its calibration. */
export const probeOf = (sensor: SensorRow): Probe => ({
  quantity: sensor.quantity,
  rawUnit: sensor.raw_unit,
  isCompensated: sensor.is_compensated === 1,
});

/** An operator's rules for a sensor, and how often it is to be calibrated. */
export type SensorRules = Partial<QualityRules> & { calibrateEveryDays?: number | null };

export const rulesOf = (sensor: Pick<SensorRow, 'rules'>): SensorRules =>
  JSON.parse(sensor.rules) as SensorRules;

/** What its readings are judged by. */
export function judgingOf(sensor: SensorRow): {
  rules: Partial<QualityRules>;
  curves: TimedCurve[];
  calibrating: { from: number; until: number }[];
} {
  const { calibrateEveryDays: _, ...rules } = rulesOf(sensor);
  return {
    rules,
    curves: JSON.parse(sensor.curves) as TimedCurve[],
    calibrating: JSON.parse(sensor.calibrating) as { from: number; until: number }[],
  };
}

/** After this its newest reading says nothing of now. */
export const staleAfterMsOf = (sensor: Pick<SensorRow, 'quantity' | 'rules'>): number =>
  rulesOf(sensor).staleAfterMs ?? factsOf(sensor.quantity).staleAfterMs;

/** When it should be calibrated again; null where it never was, or needs none. */
export function calibrationDueAt(sensor: SensorRow): number | null {
  const { calibrateEveryDays: everyDays = factsOf(sensor.quantity).calibrateEveryDays } = rulesOf(sensor);
  return everyDays === null || sensor.calibrated_at === null
    ? null
    : sensor.calibrated_at + everyDays * 86_400_000;
}

type Connection = Kysely<SystemsTables> | Transaction<SystemsTables>;

@Injectable()
export class SystemsRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<SystemsTables>) {}

  find(id: string): Promise<SystemRow | undefined> {
    return this.database.selectFrom('systems').selectAll().where('id', '=', id).executeTakeFirst();
  }

  async change(id: string, change: SystemChange): Promise<void> {
    await this.database.updateTable('systems').set(change).where('id', '=', id).execute();
  }

  async changeSensor(number: number, change: SensorChange): Promise<void> {
    await this.database.updateTable('sensors').set(change).where('number', '=', number).execute();
  }

  list(): Promise<SystemRow[]> {
    return this.database.selectFrom('systems').selectAll().orderBy('id').execute();
  }

  devices(systemId: string): Promise<DeviceRow[]> {
    return this.database
      .selectFrom('devices')
      .selectAll()
      .where('system_id', '=', systemId)
      .orderBy('id')
      .execute();
  }

  sensors(systemId: string): Promise<SensorRow[]> {
    return this.database
      .selectFrom('sensors')
      .selectAll()
      .where('system_id', '=', systemId)
      .orderBy('number')
      .execute();
  }

  actuators(systemId: string): Promise<ActuatorRow[]> {
    return this.database
      .selectFrom('actuators')
      .selectAll()
      .where('system_id', '=', systemId)
      .orderBy('id')
      .execute();
  }

  /** All of it or nothing. @returns false where the id is taken. */
  insertSystem(system: SystemRow, parts: Parts): Promise<boolean> {
    return this.database.transaction().execute(async (transaction) => {
      const inserted = await transaction
        .insertInto('systems')
        .values(system)
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (inserted.numInsertedOrUpdatedRows !== 1n) return false;
      await this.insertParts(parts, transaction);
      return true;
    });
  }

  /** Adds what is not there yet. @returns how many rows were added. */
  async insertParts(
    { devices, sensors, actuators }: Partial<Parts>,
    connection: Connection = this.database,
  ): Promise<number> {
    let added = 0n;
    const count = ({ numInsertedOrUpdatedRows }: { numInsertedOrUpdatedRows?: bigint }): void => {
      added += numInsertedOrUpdatedRows ?? 0n;
    };
    if (devices?.length) {
      count(
        await connection
          .insertInto('devices')
          .values(devices)
          .onConflict((c) => c.doNothing())
          .executeTakeFirst(),
      );
    }
    if (sensors?.length) {
      count(
        await connection
          .insertInto('sensors')
          .values(sensors)
          .onConflict((c) => c.doNothing())
          .executeTakeFirst(),
      );
    }
    if (actuators?.length) {
      count(
        await connection
          .insertInto('actuators')
          .values(actuators)
          .onConflict((c) => c.doNothing())
          .executeTakeFirst(),
      );
    }
    return Number(added);
  }
}
