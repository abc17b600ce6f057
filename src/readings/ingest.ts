import type { SensorRow } from '../systems/systems.repository.js';
import { isoTime } from '../platform/clock.js';
import { parseInstant } from '../platform/http/instant.js';
import { judge, type Judged } from './quality.js';
import type { ReadingResult } from './readings.dto.js';

/** A clock on a farm may run ahead by this much; anything later is the future, and refused. */
export const CLOCK_TOLERANCE_MS = 60_000;
/** A clock that was never set says 1970; nothing was measured before this. */
export const EARLIEST_OBSERVATION = Date.UTC(2000, 0, 1);

export interface AcceptedReading extends Judged {
  /** Its place in the batch. */
  index: number;
  sensor: SensorRow;
  observedAt: number;
  raw: number | null;
}

type Refusal = NonNullable<ReadingResult['error']>;

const MEMBERS = ['sensor', 'value', 'observedAt'];

const refuse = (code: string, field: string, message: string, limit?: string): Refusal => ({
  code,
  field,
  message,
  ...(limit !== undefined && { limit }),
});

/** One item of a batch: what will be stored of it, or why it is refused. An item never sinks its batch. */
export function examine(
  item: unknown,
  index: number,
  sensors: ReadonlyMap<string, SensorRow>,
  receivedAt: number,
): AcceptedReading | Refusal {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return refuse(
      'READING.NOT_AN_OBJECT',
      '',
      'a reading is an object with sensor, value and an optional observedAt',
    );
  }
  const unknown = Object.keys(item).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) {
    return refuse(
      'READING.UNKNOWN_FIELD',
      unknown.slice(0, 64),
      'a reading has sensor, value and observedAt only',
    );
  }
  const {
    sensor: sensorId,
    value,
    observedAt,
  } = item as { sensor?: unknown; value?: unknown; observedAt?: unknown };
  if (typeof sensorId !== 'string') return refuse('READING.SENSOR_TYPE', 'sensor', 'sensor must be a string');
  const sensor = sensors.get(sensorId);
  if (!sensor) return refuse('SENSOR.NOT_FOUND', 'sensor', 'the system has no such sensor');
  if (value !== null && typeof value !== 'number') {
    return refuse('READING.VALUE_TYPE', 'value', 'value must be a number, or null where the probe failed');
  }
  if (value !== null && !Number.isFinite(value)) {
    return refuse('READING.VALUE_TYPE', 'value', 'value must be finite');
  }
  const time = examineTime(observedAt, receivedAt);
  if (typeof time !== 'number') return time;
  return { index, sensor, observedAt: time, raw: value, ...judge(sensor.quantity, value) };
}

/** When it was observed, as far as that can be: the time of arrival where nothing is said. */
export function examineTime(observedAt: unknown, receivedAt: number): number | Refusal {
  if (observedAt === undefined) return receivedAt;
  const time = parseInstant(observedAt);
  if (Number.isNaN(time)) {
    return refuse(
      'READING.TIME_FORM',
      'observedAt',
      'observedAt must be an ISO 8601 time with Z or an offset',
    );
  }
  if (time > receivedAt + CLOCK_TOLERANCE_MS) {
    const limit = isoTime(receivedAt + CLOCK_TOLERANCE_MS);
    return refuse('READING.FUTURE', 'observedAt', 'observedAt is in the future', limit);
  }
  if (time < EARLIEST_OBSERVATION) {
    const limit = isoTime(EARLIEST_OBSERVATION);
    return refuse(
      'READING.TOO_OLD',
      'observedAt',
      'observedAt is too old: is the clock of the device set?',
      limit,
    );
  }
  return time;
}
