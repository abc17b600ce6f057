import { Injectable } from '@nestjs/common';

/** The time of day, in milliseconds since 1970, so that a spec can say what time it is. */
@Injectable()
export class Clock {
  now(): number {
    return Date.now();
  }
}

const DAY_MS = 86_400_000;
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
let lastDay = NaN;
let lastDate = '';

/** UTC, ISO 8601 with milliseconds. The same as `Date` has it; a list of times has few days, and so comes faster. */
export function isoTime(milliseconds: number): string {
  const at = Math.trunc(milliseconds);
  const day = Math.floor(at / DAY_MS);
  if (day !== lastDay) {
    lastDate = new Date(day * DAY_MS).toISOString().slice(0, -13);
    lastDay = day;
  }
  const inDay = at - day * DAY_MS;
  const hours = TWO_DIGITS[Math.floor(inDay / 3_600_000)]!;
  const minutes = TWO_DIGITS[Math.floor(inDay / 60_000) % 60]!;
  const seconds = TWO_DIGITS[Math.floor(inDay / 1000) % 60]!;
  return `${lastDate}${hours}:${minutes}:${seconds}.${String(inDay % 1000).padStart(3, '0')}Z`;
}
