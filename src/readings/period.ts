import { isoTime } from '../platform/clock.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import type { TimeRange } from './readings.dto.js';

const DAY_MS = 86_400_000;

/** @throws REQUEST_INVALID where it ends before it begins. */
export function periodOf(range: TimeRange, now: number): { from: number; to: number } {
  const to = range.to ? Date.parse(range.to) : now;
  const from = range.from ? Date.parse(range.from) : to - DAY_MS;
  if (from > to) {
    const message = `from must not be after ${isoTime(to)}`;
    throw refuseFields([{ field: 'from', code: 'order', message }]);
  }
  return { from, to };
}
