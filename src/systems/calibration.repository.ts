import { Inject, Injectable } from '@nestjs/common';
import { type Kysely, type Transaction } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import type { CalibrationPoint } from './calibration.js';
import { inForce, type TimedCurve } from './curve.js';
import type { SensorRow } from './systems.repository.js';

/** A calibration as it was applied. Rows are never changed: a later one holds from its `from_at` on. */
export interface CalibrationRow {
  sensor_number: number;
  /** Counted for each sensor. */
  number: number;
  applied_at: number;
  /** From when on it holds. */
  from_at: number;
  /** As JSON; the curve is null where this took a calibration back. */
  curve: string;
  points: string;
  slope_percent: number | null;
  /** 1 where a slope that is not good was accepted. */
  slope_accepted: number;
  /** The number of the calibration that it brings back. */
  restores: number | null;
}

export interface SessionRow {
  sensor_number: number;
  started_at: number;
  /** When it ends by itself, or has been ended. */
  ends_at: number;
  points: string;
}

interface CalibrationTables {
  calibrations: CalibrationRow;
  calibration_sessions: SessionRow;
  sensors: Pick<SensorRow, 'number' | 'curves' | 'calibrating' | 'calibrated_at'>;
}

export const calibrationMigrations: Migrations = {
  '2026-11-22-4-calibration': {
    up: async ({ schema }: Kysely<unknown>) => {
      const addColumn = (name: string, type: 'text' | 'bigint') =>
        schema.alterTable('sensors').addColumn(name, type).execute();
      const addWithDefault = (name: string, type: 'text' | 'smallint', value: string | number) =>
        schema
          .alterTable('sensors')
          .addColumn(name, type, (column) => column.notNull().defaultTo(value))
          .execute();
      await addColumn('raw_unit', 'text');
      await addWithDefault('is_compensated', 'smallint', 1);
      await addWithDefault('rules', 'text', '{}');
      await addWithDefault('curves', 'text', '[]');
      await addWithDefault('calibrating', 'text', '[]');
      await addColumn('calibrated_at', 'bigint');
      await schema
        .createTable('calibrations')
        .addColumn('sensor_number', 'integer', (column) => column.notNull().references('sensors.number'))
        .addColumn('number', 'integer', (column) => column.notNull())
        .addColumn('applied_at', 'bigint', (column) => column.notNull())
        .addColumn('from_at', 'bigint', (column) => column.notNull())
        .addColumn('curve', 'text', (column) => column.notNull())
        .addColumn('points', 'text', (column) => column.notNull())
        .addColumn('slope_percent', 'double precision')
        .addColumn('slope_accepted', 'smallint', (column) => column.notNull())
        .addColumn('restores', 'integer')
        .addPrimaryKeyConstraint('calibrations_pk', ['sensor_number', 'number'])
        .execute();
      await schema
        .createTable('calibration_sessions')
        .addColumn('sensor_number', 'integer', (column) => column.notNull().references('sensors.number'))
        .addColumn('started_at', 'bigint', (column) => column.notNull())
        .addColumn('ends_at', 'bigint', (column) => column.notNull())
        .addColumn('points', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('calibration_sessions_pk', ['sensor_number', 'started_at'])
        .execute();
    },
  },
};

type NewCalibration = Omit<CalibrationRow, 'number'>;

@Injectable()
export class CalibrationRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<CalibrationTables>) {}

  /** Newest first. */
  list(sensor: number): Promise<CalibrationRow[]> {
    return this.database
      .selectFrom('calibrations')
      .selectAll()
      .where('sensor_number', '=', sensor)
      .orderBy('number', 'desc')
      .execute();
  }

  /** The session that is open at a time. */
  open(sensor: number, now: number): Promise<SessionRow | undefined> {
    return this.database
      .selectFrom('calibration_sessions')
      .selectAll()
      .where('sensor_number', '=', sensor)
      .where('ends_at', '>', now)
      .orderBy('started_at', 'desc')
      .executeTakeFirst();
  }

  /** @returns undefined where one is open already. */
  start(sensor: number, now: number, endsAt: number): Promise<SessionRow | undefined> {
    return this.locked(sensor, async (transaction, row) => {
      const periods = JSON.parse(row.calibrating) as { from: number; until: number }[];
      if (periods.some(({ until }) => until > now)) return undefined;
      const session = { sensor_number: sensor, started_at: now, ends_at: endsAt, points: '[]' };
      await transaction.insertInto('calibration_sessions').values(session).execute();
      await setCalibrating(transaction, sensor, [...periods, { from: now, until: endsAt }]);
      return session;
    });
  }

  /** In place of what was there of the same reference. @returns all points, or undefined where no session is open. */
  addPoint(sensor: number, point: CalibrationPoint, now: number): Promise<CalibrationPoint[] | undefined> {
    return this.locked(sensor, async (transaction) => {
      const session = await sessionAt(transaction, sensor, now);
      if (!session) return undefined;
      const points = (JSON.parse(session.points) as CalibrationPoint[]).filter(
        ({ reference }) => reference !== point.reference,
      );
      points.push(point);
      await transaction
        .updateTable('calibration_sessions')
        .set({ points: JSON.stringify(points) })
        .where('sensor_number', '=', sensor)
        .where('started_at', '=', session.started_at)
        .execute();
      return points;
    });
  }

  /** @returns the session that was ended; undefined where none is open. */
  end(sensor: number, now: number): Promise<SessionRow | undefined> {
    return this.locked(sensor, (transaction, row) => endSession(transaction, sensor, row, now));
  }

  /** Ends the session that is open, and adds to the history. */
  apply(calibration: NewCalibration): Promise<CalibrationRow> {
    const { sensor_number: sensor, applied_at: now } = calibration;
    return this.locked(sensor, async (transaction, row) => {
      await endSession(transaction, sensor, row, now);
      const before = await transaction
        .selectFrom('calibrations')
        .selectAll()
        .where('sensor_number', '=', sensor)
        .orderBy('number', 'desc')
        .execute();
      const applied = { ...calibration, number: (before[0]?.number ?? 0) + 1 };
      await transaction.insertInto('calibrations').values(applied).execute();
      const curves = inForce([applied, ...before].map(asTimedCurve));
      await transaction
        .updateTable('sensors')
        .set({
          curves: JSON.stringify(curves),
          calibrated_at: curves[0]!.curve === null ? null : now,
        })
        .where('number', '=', sensor)
        .execute();
      return applied;
    });
  }

  /** One change of a sensor's calibration at a time. */
  private locked<Result>(
    sensor: number,
    change: (
      transaction: Transaction<CalibrationTables>,
      row: CalibrationTables['sensors'],
    ) => Promise<Result>,
  ): Promise<Result> {
    return this.database.transaction().execute(async (transaction) => {
      const row = await transaction
        .updateTable('sensors')
        .set((to) => ({ curves: to.ref('curves') }))
        .where('number', '=', sensor)
        .returning(['number', 'curves', 'calibrating', 'calibrated_at'])
        .executeTakeFirstOrThrow();
      return change(transaction, row);
    });
  }
}

function sessionAt(
  transaction: Transaction<CalibrationTables>,
  sensor: number,
  now: number,
): Promise<SessionRow | undefined> {
  return transaction
    .selectFrom('calibration_sessions')
    .selectAll()
    .where('sensor_number', '=', sensor)
    .where('ends_at', '>', now)
    .executeTakeFirst();
}

async function endSession(
  transaction: Transaction<CalibrationTables>,
  sensor: number,
  row: CalibrationTables['sensors'],
  now: number,
): Promise<SessionRow | undefined> {
  const session = await sessionAt(transaction, sensor, now);
  if (!session) return undefined;
  await transaction
    .updateTable('calibration_sessions')
    .set({ ends_at: now })
    .where('sensor_number', '=', sensor)
    .where('started_at', '=', session.started_at)
    .execute();
  const periods = (JSON.parse(row.calibrating) as { from: number; until: number }[]).map((period) =>
    period.from === session.started_at ? { ...period, until: now } : period,
  );
  await setCalibrating(transaction, sensor, periods);
  return session;
}

async function setCalibrating(
  transaction: Transaction<CalibrationTables>,
  sensor: number,
  periods: { from: number; until: number }[],
): Promise<void> {
  await transaction
    .updateTable('sensors')
    .set({ calibrating: JSON.stringify(periods) })
    .where('number', '=', sensor)
    .execute();
}

const asTimedCurve = ({ from_at, curve }: CalibrationRow): TimedCurve => ({
  from: from_at,
  curve: JSON.parse(curve) as TimedCurve['curve'],
});
