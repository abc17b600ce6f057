import { type CalendarUnit, localDayOf, nextStart, startOf } from '../platform/local-time.js';
import { HOUR_MS } from './readings.schema.js';
import type { Retired } from './retention.js';

/** Where buckets begin, in order, and last where the last one ends. */
export type Grid = number[];

export type Cut = { points: number } | { widthMs: number } | { unit: CalendarUnit; timeZone: string };

/**
 * Buckets of one width, or of the calendar, are whole: the first is the one that `from` lies in. So a bucket has the same
 * figures whatever period it was asked for in. A number of points divides the period itself; into whole hours where they
 * are hours or more, since those are counted already.
 * @returns undefined where there would be more than `most`.
 */
export function cut(from: number, to: number, how: Cut, most: number): Grid | undefined {
  if (from >= to) return [from];
  if ('unit' in how) return cutByCalendar(from, to, how.unit, how.timeZone, most);
  const { width, start } = 'widthMs' in how ? gridOf(how.widthMs, from) : dividing(from, to, how.points);
  const count = Math.ceil((to - start) / width);
  return count > most ? undefined : Array.from({ length: count + 1 }, (_, index) => start + index * width);
}

const gridOf = (width: number, from: number): { width: number; start: number } => ({
  width,
  start: Math.floor(from / width) * width,
});

function dividing(from: number, to: number, points: number): { width: number; start: number } {
  const width = Math.ceil((to - from) / points);
  if (width < HOUR_MS) return { width, start: from };
  return { width: Math.ceil(width / HOUR_MS) * HOUR_MS, start: from - (from % HOUR_MS) };
}

function cutByCalendar(
  from: number,
  to: number,
  unit: CalendarUnit,
  timeZone: string,
  most: number,
): Grid | undefined {
  let at = startOf(unit, from, timeZone);
  const grid = [at];
  while (at < to) {
    if (grid.length > most) return undefined;
    grid.push((at = nextStart(unit, at, timeZone)));
  }
  return grid;
}

/** What an answer is made from. */
export const LEVELS = ['raw', 'hourly', 'daily'] as const;
export type Level = (typeof LEVELS)[number];

export interface Plan {
  level: Level;
  grid: Grid;
}

/**
 * The coarsest level that answers exactly. Where the readings that this would take are retired, buckets become as wide as
 * what is left.
 * @param days the time zone of the daily roll-ups; null where they cannot be used
 */
export function plan(grid: Grid, days: string | null, retired: Retired): Plan {
  if (days !== null && isOfDays(grid, days)) return { level: 'daily', grid };
  const isHourly = grid.every((at) => at % HOUR_MS === 0);
  const isRetired = (level: 'raw' | 'hourly'): boolean => grid[0]! < retired[level];
  if (isHourly && !isRetired('hourly')) return { level: 'hourly', grid };
  if (!isHourly && !isRetired('raw')) return { level: 'raw', grid };
  if (!isRetired('hourly') || days === null) {
    const hours = widened(grid, (at) => ({ from: at - (at % HOUR_MS), to: at - (at % HOUR_MS) + HOUR_MS }));
    return { level: 'hourly', grid: hours };
  }
  return { level: 'daily', grid: widened(grid, (at) => localDayOf(at, days)) };
}

const isOfDays = (grid: Grid, timeZone: string): boolean =>
  grid.every((at) => localDayOf(at, timeZone).from === at);

function widened(grid: Grid, around: (at: number) => { from: number; to: number }): Grid {
  const end = around(grid.at(-1)! - 1).to;
  return [...new Set([...grid.slice(0, -1).map((at) => around(at).from), end])];
}

/** A bucket in parts: hours from roll-ups, and what sticks out of them reading by reading. */
export interface Parts {
  /** Where in the grid, from when, up to when; in order. */
  readings: [place: number, from: number, to: number][];
  hours: [place: number, from: number, to: number][];
}

/** A wide bucket need not be read reading by reading just because it begins at a quarter past. */
const WIDE_MS = 2 * HOUR_MS;

export function parts(grid: Grid): Parts {
  const found: Parts = { readings: [], hours: [] };
  for (let place = 0; place + 1 < grid.length; place++) {
    const from = grid[place]!;
    const to = grid[place + 1]!;
    if (to - from < WIDE_MS) {
      found.readings.push([place, from, to]);
      continue;
    }
    const firstHour = Math.ceil(from / HOUR_MS) * HOUR_MS;
    const hoursEnd = Math.floor(to / HOUR_MS) * HOUR_MS;
    if (from < firstHour) found.readings.push([place, from, firstHour]);
    found.hours.push([place, firstHour, hoursEnd]);
    if (hoursEnd < to) found.readings.push([place, hoursEnd, to]);
  }
  return found;
}
