import { isoTime } from '../platform/clock.js';
import { parseInstant } from '../platform/http/instant.js';
import type { ReadingResult } from './readings.dto.js';

/** A clock on a farm may run ahead by this much; anything later is the future, and refused. */
export const CLOCK_TOLERANCE_MS = 60_000;
/** A clock that was never set says 1970; nothing was measured before this. */
export const EARLIEST_OBSERVATION = Date.UTC(2000, 0, 1);

/** What a device measured, whatever protocol carried it. */
export interface Measured {
  /** The sensor's name within its system. */
  sensor: string;
  /** Finite, in the sensor's unit; null where the probe failed. */
  value: number | null;
  /** Milliseconds since 1970; the time of arrival where it is left out. */
  observedAt?: number;
}

export type Refusal = NonNullable<ReadingResult['error']>;

/** One of a batch, as a protocol's adapter hands it over: what it cannot read it refuses, in its place. */
export type Item = Measured | { refusal: Refusal };

const MEMBERS = ['sensor', 'value', 'observedAt'];

export const refuse = (
  code: string,
  field: string,
  message: string,
  limit?: string,
): { refusal: Refusal } => ({
  refusal: { code, field, message, ...(limit !== undefined && { limit }) },
});

/** One reading of a JSON batch. */
export function fromJson(item: unknown): Item {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return refuse(
      'READING.NOT_AN_OBJECT',
      '',
      'a reading is an object with sensor, value and an optional observedAt',
    );
  }
  for (const member in item) {
    if (!MEMBERS.includes(member)) {
      return refuse(
        'READING.UNKNOWN_FIELD',
        member.slice(0, 64),
        'a reading has sensor, value and observedAt only',
      );
    }
  }
  const { sensor, value, observedAt } = item as { sensor?: unknown; value?: unknown; observedAt?: unknown };
  if (typeof sensor !== 'string') return refuse('READING.SENSOR_TYPE', 'sensor', 'sensor must be a string');
  if (value !== null && typeof value !== 'number') {
    return refuse('READING.VALUE_TYPE', 'value', 'value must be a number, or null where the probe failed');
  }
  if (observedAt === undefined) return { sensor, value };
  const time = parseInstant(observedAt);
  if (Number.isNaN(time)) {
    return refuse(
      'READING.TIME_FORM',
      'observedAt',
      'observedAt must be an ISO 8601 time with Z or an offset',
    );
  }
  return { sensor, value, observedAt: time };
}

/** Why a time cannot be one of an observation that arrives now; undefined where it can. */
export function refuseTime(
  observedAt: number,
  arrivedAt: number,
  earliest = EARLIEST_OBSERVATION,
): { refusal: Refusal } | undefined {
  if (observedAt > arrivedAt + CLOCK_TOLERANCE_MS) {
    const limit = isoTime(arrivedAt + CLOCK_TOLERANCE_MS);
    return refuse('READING.FUTURE', 'observedAt', 'observedAt is in the future', limit);
  }
  if (observedAt < earliest) {
    const message =
      earliest === EARLIEST_OBSERVATION
        ? 'observedAt is too old: is the clock of the device set?'
        : 'observedAt is older than what is kept';
    return refuse('READING.TOO_OLD', 'observedAt', message, isoTime(earliest));
  }
  return undefined;
}
