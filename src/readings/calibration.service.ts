import { Injectable } from '@nestjs/common';

import { Clock, isoTime } from '../platform/clock.js';
import { ProblemType } from '../platform/http/problem.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import {
  type CalibrationPoint,
  fit,
  type Fit,
  GOOD_SLOPE,
  isGoodSlope,
  settledRaw,
  uncalibratedCurve,
  UnfitPoints,
} from '../systems/calibration.js';
import {
  CalibrationRepository,
  type CalibrationRow,
  type SessionRow,
} from '../systems/calibration.repository.js';
import type { Curve } from '../systems/curve.js';
import { pressureAt, saturatedOxygen } from '../systems/equations.js';
import { factsOf } from '../systems/quantities.js';
import { judgingOf, probeOf, type SensorRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import {
  type AddPoint,
  type AppliedCalibration,
  type ApplyCalibration,
  type Calibration,
  type CalibrationList,
  type CalibrationSession,
  SlopeProblem,
} from './calibration.dto.js';
import { HistoryRepository } from './history.repository.js';
import { refuseDerived, RejudgingService } from './rejudging.service.js';

export const SESSION_OPEN = new ProblemType(
  'CALIBRATION.OPEN',
  409,
  'The sensor is being calibrated already',
);
export const NO_SESSION = new ProblemType(
  'CALIBRATION.NOT_OPEN',
  409,
  'The sensor is not being calibrated, or no longer: a session ends by itself after 30 minutes',
);
export const CALIBRATION_NOT_FOUND = new ProblemType(
  'CALIBRATION.NOT_FOUND',
  404,
  'The sensor has no such calibration',
);
export const POINTS_UNFIT = new ProblemType('CALIBRATION.POINTS', 422, 'The points make no calibration');
export const NOT_SETTLED = new ProblemType(
  'CALIBRATION.NOT_SETTLED',
  409,
  'The newest readings do not lie together yet, or there are fewer than three since the session began',
);
export const TEMPERATURE_UNKNOWN = new ProblemType(
  'CALIBRATION.TEMPERATURE',
  409,
  'The temperature is not given, and no thermometer of the system knows it',
);
export const SLOPE_BAD = new ProblemType(
  'CALIBRATION.SLOPE',
  422,
  'The slope lies outside of 95 to 105 %: the probe is worn or dirty, or a bottle was mixed up',
  SlopeProblem,
  { extra: { slopePercent: 83.1 } },
);

const SESSION_MS = 30 * 60_000;
/** So many readings in a row that say the same are a settled probe. */
const SETTLED_READINGS = 3;

/** From bottles to a curve: a session, its points, and the history of what was applied. */
@Injectable()
export class CalibrationService {
  constructor(
    private readonly repository: CalibrationRepository,
    private readonly history: HistoryRepository,
    private readonly rejudging: RejudgingService,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
  ) {}

  async start(systemId: string, sensorId: string): Promise<CalibrationSession> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    refuseDerived(sensor);
    const now = this.clock.now();
    const session = await this.repository.start(sensor.number, now, now + SESSION_MS);
    if (!session) throw SESSION_OPEN.happened();
    await this.changed(sensor, now);
    return asSession(sensor, session);
  }

  async session(systemId: string, sensorId: string): Promise<CalibrationSession> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    return asSession(sensor, await this.openSession(sensor));
  }

  async addPoint(systemId: string, sensorId: string, request: AddPoint): Promise<CalibrationSession> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const session = await this.openSession(sensor);
    const temperatureC = await this.temperature(sensor, request);
    const reference = await this.reference(sensor, request, temperatureC);
    const raw = request.raw ?? (await this.settled(sensor, session));
    const points = await this.repository.addPoint(
      sensor.number,
      { raw, reference, temperatureC },
      this.clock.now(),
    );
    if (!points) throw NO_SESSION.happened();
    return asSession(sensor, { ...session, points: JSON.stringify(points) });
  }

  async cancel(systemId: string, sensorId: string): Promise<void> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const now = this.clock.now();
    if (await this.repository.end(sensor.number, now)) await this.changed(sensor, now);
  }

  async apply(
    systemId: string,
    sensorId: string,
    { from, acceptSlope }: ApplyCalibration,
  ): Promise<AppliedCalibration> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const session = await this.openSession(sensor);
    const { curve, slopePercent } = this.fit(sensor, session);
    const isGood = isGoodSlope(slopePercent);
    if (!isGood && !acceptSlope) {
      throw SLOPE_BAD.happened({
        detail: `The slope is ${slopePercent!.toFixed(1)} %, outside of ${GOOD_SLOPE.join(' to ')} %`,
        extra: { slopePercent: Number(slopePercent!.toFixed(2)) },
      });
    }
    return this.put(sensor, from, {
      curve: JSON.stringify(curve),
      points: session.points,
      slope_percent: slopePercent,
      slope_accepted: isGood ? 0 : 1,
      restores: null,
    });
  }

  async list(systemId: string, sensorId: string): Promise<CalibrationList> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const rows = await this.repository.list(sensor.number);
    return { sensor: sensorId, calibrations: rows.map(asCalibration) };
  }

  /** Brings back an earlier calibration; 0 brings back none at all. */
  async restore(
    systemId: string,
    sensorId: string,
    number: number,
    from: string | undefined,
  ): Promise<AppliedCalibration> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    refuseDerived(sensor);
    const none = { curve: 'null', points: '[]', slope_percent: null, slope_accepted: 0 };
    const found =
      number === 0
        ? none
        : (await this.repository.list(sensor.number)).find((each) => each.number === number);
    if (!found) throw CALIBRATION_NOT_FOUND.happened(`The sensor "${sensorId}" has no calibration ${number}`);
    const { curve, points, slope_percent, slope_accepted } = found;
    return this.put(sensor, from, { curve, points, slope_percent, slope_accepted, restores: number });
  }

  private async put(
    sensor: SensorRow,
    from: string | undefined,
    calibration: Pick<CalibrationRow, 'curve' | 'points' | 'slope_percent' | 'slope_accepted' | 'restores'>,
  ): Promise<AppliedCalibration> {
    const now = this.clock.now();
    const since = from === undefined ? now : Date.parse(from);
    if (since > now) {
      throw refuseFields([
        { field: 'from', code: 'order', message: `from must not be after ${isoTime(now)}` },
      ]);
    }
    const row = await this.repository.apply({
      ...calibration,
      sensor_number: sensor.number,
      applied_at: now,
      from_at: since,
    });
    await this.changed(sensor, since);
    const rejudged =
      from === undefined ? null : await this.rejudging.rejudge(sensor.system_id, sensor.id, since, now);
    return { ...asCalibration(row), rejudged };
  }

  private async changed(sensor: SensorRow, from: number): Promise<void> {
    await this.rejudging.followUp(sensor, from);
    this.systems.sensorChanged(sensor.system_id);
  }

  private async openSession(sensor: SensorRow): Promise<SessionRow> {
    const session = await this.repository.open(sensor.number, this.clock.now());
    if (!session) throw NO_SESSION.happened();
    return session;
  }

  private fit(sensor: SensorRow, session: SessionRow): Fit {
    const probe = probeOf(sensor);
    const inForce: Curve | null = judgingOf(sensor).curves[0]?.curve ?? uncalibratedCurve(probe);
    try {
      return fit(probe, JSON.parse(session.points) as CalibrationPoint[], inForce);
    } catch (error) {
      if (error instanceof UnfitPoints) throw POINTS_UNFIT.happened(error.message);
      throw error;
    }
  }

  /** Of the bottle: given, or what the system's first water thermometer says, where it matters. */
  private async temperature(sensor: SensorRow, request: AddPoint): Promise<number | null> {
    if (request.temperatureC !== undefined) return request.temperatureC;
    const matters =
      request.kind === 'air-saturated' ||
      (sensor.quantity === 'electrical-conductivity' && sensor.is_compensated === 0);
    if (!matters) return null;
    const sensors = await this.systems.sensors(sensor.system_id);
    const thermometer = sensors.find(({ quantity }) => quantity === 'water-temperature');
    const since = this.clock.now() - factsOf('water-temperature').staleAfterMs;
    const value = thermometer ? await this.history.newestValue(thermometer.number, since) : null;
    if (value === null) throw TEMPERATURE_UNKNOWN.happened();
    return value;
  }

  private async reference(
    sensor: SensorRow,
    { kind, reference }: AddPoint,
    temperatureC: number | null,
  ): Promise<number> {
    const refuse = (code: string, message: string): never => {
      throw refuseFields([{ field: 'reference', code, message }]);
    };
    if (kind === 'reference') {
      const [least, most] = factsOf(sensor.quantity).physical;
      if (reference === undefined) return refuse('required', 'reference must say what the bottle is');
      if (reference < least || reference > most) {
        return refuse('range', `reference must lie within ${least} and ${most}`);
      }
      return reference;
    }
    if (sensor.quantity !== 'dissolved-oxygen') return refuse('kind', `${kind} is for dissolved oxygen`);
    if (reference !== undefined) return refuse('kind', `${kind} needs no reference`);
    if (kind === 'zero') return 0;
    const { altitude_m: altitude } = await this.systems.find(sensor.system_id);
    return saturatedOxygen(temperatureC!, pressureAt(altitude));
  }

  private async settled(sensor: SensorRow, session: SessionRow): Promise<number> {
    const raws = await this.history.newestRaws(sensor.number, session.started_at, SETTLED_READINGS);
    const raw =
      raws.length === SETTLED_READINGS
        ? settledRaw(probeOf(sensor), raws, factsOf(sensor.quantity).tolerance)
        : undefined;
    if (raw === undefined) throw NOT_SETTLED.happened();
    return raw;
  }
}

const pointsOf = (json: string): CalibrationPoint[] =>
  (JSON.parse(json) as CalibrationPoint[]).sort((one, other) => one.reference - other.reference);

const asSession = (sensor: SensorRow, session: SessionRow): CalibrationSession => ({
  sensor: sensor.id,
  startedAt: isoTime(session.started_at),
  endsAt: isoTime(session.ends_at),
  points: pointsOf(session.points),
});

const asCalibration = (row: CalibrationRow): Calibration => ({
  number: row.number,
  appliedAt: isoTime(row.applied_at),
  from: isoTime(row.from_at),
  points: pointsOf(row.points),
  slopePercent: row.slope_percent === null ? null : Number(row.slope_percent.toFixed(2)),
  slopeAccepted: row.slope_accepted === 1,
  restores: row.restores,
});
