import type { Retention } from '../platform/config.js';
import type { Level } from './series-grid.js';

const DAY_MS = 86_400_000;

/** What was observed before this is too old to be kept, or to be taken: the beginning of a day in UTC; 0 where nothing is. */
export function horizonOf(level: Level, retention: Retention, now: number): number {
  const days = { raw: retention.rawDays, hourly: retention.hourlyDays, daily: retention.dailyDays }[level];
  return days === 0 ? 0 : Math.floor(now / DAY_MS - days) * DAY_MS;
}
