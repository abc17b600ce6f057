import { IANAZone } from 'luxon';

import { isoTime } from './clock.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** Clocks are looked up for a year or so at once. */
const BLOCK_MS = 52 * WEEK_MS;

export const CALENDAR_UNITS = ['hour', 'day', 'week', 'month'] as const;
export type CalendarUnit = (typeof CALENDAR_UNITS)[number];

/** Clocks are not set within it; it ends with its block at the latest. */
interface Stretch {
  from: number;
  to: number;
  offsetMs: number;
}

const blocks = new Map<string, Map<number, Stretch[]>>();

/** What local clocks add to UTC, in milliseconds. */
export function offsetAt(at: number, timeZone: string): number {
  return stretchAt(at, timeZone).offsetMs;
}

/** The local day of an instant: from its first instant up to the next day's. Most have 24 hours, some 23, 23½ or 25. */
export function localDayOf(at: number, timeZone: string): { from: number; to: number } {
  const day = Math.floor((at + offsetAt(at, timeZone)) / DAY_MS);
  const to = startOfDay(day + 1, timeZone);
  // Where clocks were set back across midnight, the hour after the first midnight belongs to the new day already.
  return at < to ? { from: startOfDay(day, timeZone), to } : { from: to, to: startOfDay(day + 2, timeZone) };
}

/** Where the unit begins that the instant lies in: hours, days, weeks from Monday on, months, all by local clocks. */
export function startOf(unit: CalendarUnit, at: number, timeZone: string): number {
  if (unit === 'hour') return startOfHour(at, timeZone);
  return startOfDay(firstDayOf(unit, dayOf(at, timeZone)), timeZone);
}

/** Where the next unit begins. @param start where one begins */
export function nextStart(unit: CalendarUnit, start: number, timeZone: string): number {
  if (unit === 'hour') return endOfHour(start, timeZone);
  const first = dayOf(start, timeZone);
  let next = first;
  let at = start;
  // A day that a zone left out, as Samoa did with one, has no length.
  while (at <= start) {
    next = unit === 'day' ? next + 1 : unit === 'week' ? next + 7 : nextMonth(next);
    at = startOfDay(next, timeZone);
  }
  return at;
}

/** ISO 8601 by local clocks, with their offset. */
export function localIsoTime(at: number, timeZone: string): string {
  const offsetMs = offsetAt(at, timeZone);
  const minutes = Math.abs(offsetMs) / 60_000;
  const two = (number: number): string => String(Math.floor(number)).padStart(2, '0');
  const suffix = `${offsetMs < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
  return isoTime(at + offsetMs).slice(0, -1) + suffix;
}

/** The number of the local day, counted from 1970-01-01. */
function dayOf(at: number, timeZone: string): number {
  const day = Math.floor((at + offsetAt(at, timeZone)) / DAY_MS);
  return at < startOfDay(day + 1, timeZone) ? day : day + 1;
}

/**
 * The first instant of a local day. Luxon's own `startOf('day')` is another in the first hour of a day whose midnight
 * comes twice than in its others, and there would be two roll-ups of one day.
 */
function startOfDay(day: number, timeZone: string): number {
  const midnight = day * DAY_MS;
  let at = midnight - DAY_MS;
  for (;;) {
    const { to, offsetMs } = stretchAt(at, timeZone);
    const start = Math.max(at, midnight - offsetMs);
    if (start < to) return start;
    at = to;
  }
}

/** Some hours are short: where clocks are set by half an hour, as on Lord Howe Island, or within an hour. */
function startOfHour(at: number, timeZone: string): number {
  const { from, offsetMs } = stretchAt(at, timeZone);
  const start = at - remainder(at + offsetMs, HOUR_MS);
  return offsetAt(start, timeZone) === offsetMs ? start : from;
}

function endOfHour(start: number, timeZone: string): number {
  const { to, offsetMs } = stretchAt(start, timeZone);
  const end = start + HOUR_MS - remainder(start + offsetMs, HOUR_MS);
  return end <= to || offsetAt(to, timeZone) === offsetMs ? end : to;
}

function firstDayOf(unit: 'day' | 'week' | 'month', day: number): number {
  if (unit === 'day') return day;
  // 1970-01-01 was a Thursday.
  if (unit === 'week') return day - ((((day + 3) % 7) + 7) % 7);
  return day - new Date(day * DAY_MS).getUTCDate() + 1;
}

function nextMonth(firstDay: number): number {
  const date = new Date(firstDay * DAY_MS);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) / DAY_MS;
}

const stretchAt = (at: number, timeZone: string): Stretch =>
  stretchesOf(Math.floor(at / BLOCK_MS), timeZone).find(({ to }) => at < to)!;

/** Never below zero, also before 1970. */
const remainder = (number: number, divisor: number): number => ((number % divisor) + divisor) % divisor;

/** Asking for an offset takes microseconds; the changes of a block are found once, by a look at each week. */
function stretchesOf(block: number, timeZone: string): Stretch[] {
  let ofZone = blocks.get(timeZone);
  if (!ofZone) blocks.set(timeZone, (ofZone = new Map<number, Stretch[]>()));
  let found = ofZone.get(block);
  if (!found) ofZone.set(block, (found = findStretches(block * BLOCK_MS, timeZone)));
  return found;
}

function findStretches(from: number, timeZone: string): Stretch[] {
  const zone = IANAZone.create(timeZone);
  const offset = (at: number): number => Math.round(zone.offset(at) * 60_000);
  const stretches: Stretch[] = [];
  let start = from;
  let before = offset(from);
  for (let week = from + WEEK_MS; week <= from + BLOCK_MS; week += WEEK_MS) {
    const after = offset(week);
    if (after === before) continue;
    let [low, high] = [week - WEEK_MS, week];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    stretches.push({ from: start, to: high, offsetMs: before });
    [start, before] = [high, after];
  }
  stretches.push({ from: start, to: from + BLOCK_MS, offsetMs: before });
  return stretches;
}
