import { describe, expect, it } from '@jest/globals';

import { cut, parts, plan } from './series-grid.js';

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);
const iso = (grid: number[] | undefined): string[] | undefined =>
  grid?.map((time) => new Date(time).toISOString().slice(0, 16));
const NOTHING = { raw: 0, hourly: 0 };

describe('cutting a period into buckets', () => {
  it('divides it into a number of points, all of one width', () => {
    expect(cut(0, 1000, { points: 4 }, 10)).toEqual([0, 250, 500, 750, 1000]);
    expect(cut(0, 1001, { points: 4 }, 10)).toEqual([0, 251, 502, 753, 1004]);
    expect(cut(0, 2, { points: 10 }, 10)).toEqual([0, 1, 2]);
    expect(cut(5, 5, { points: 10 }, 10)).toEqual([5]);
  });

  it('divides it into whole hours where a point is an hour or more', () => {
    const hours = (...at: number[]): number[] => at.map((hour) => hour * 3_600_000);
    const [from, to] = [1.25, 8] as const;
    expect(cut(from * 3_600_000, to * 3_600_000, { points: 5 }, 10)).toEqual(hours(1, 3, 5, 7, 9));
  });

  it('takes whole buckets of a width', () => {
    expect(cut(95_000, 125_000, { widthMs: 30_000 }, 10)).toEqual([90_000, 120_000, 150_000]);
  });

  it('takes whole days, of 23 and 25 hours too', () => {
    const unit = { unit: 'day', timeZone: 'Europe/Berlin' } as const;
    expect(iso(cut(at('2026-03-28T12:00Z'), at('2026-03-30T00:00Z'), unit, 10))).toEqual([
      '2026-03-27T23:00',
      '2026-03-28T23:00',
      '2026-03-29T22:00',
      '2026-03-30T22:00',
    ]);
    const kathmandu = { unit: 'month', timeZone: 'Asia/Kathmandu' } as const;
    expect(iso(cut(at('2026-03-31T18:14Z'), at('2026-03-31T18:15Z'), kathmandu, 10))).toEqual([
      '2026-02-28T18:15',
      '2026-03-31T18:15',
    ]);
  });

  it('gives up where there would be too many', () => {
    expect(cut(0, 11, { widthMs: 1 }, 10)).toBeUndefined();
    expect(cut(0, 10, { widthMs: 1 }, 10)).toHaveLength(11);
    const hours = { unit: 'hour', timeZone: 'UTC' } as const;
    expect(cut(0, 10 * HOUR, hours, 10)).toHaveLength(11);
    expect(cut(0, 11 * HOUR, hours, 10)).toBeUndefined();
    expect(cut(at('0001-01-01T00:00Z'), at('9999-01-01T00:00Z'), hours, 10_000)).toBeUndefined();
  });
});

describe('the level that answers', () => {
  const days = [at('2026-03-27T23:00Z'), at('2026-03-28T23:00Z'), at('2026-03-29T22:00Z')];
  const hours = [at('2026-03-28T01:00Z'), at('2026-03-28T02:00Z')];
  const quarters = [at('2026-03-28T01:15Z'), at('2026-03-28T01:30Z'), at('2026-03-28T01:45Z')];

  it('is the coarsest that is exact', () => {
    expect(plan(days, 'Europe/Berlin', NOTHING).level).toBe('daily');
    expect(plan(days, 'Europe/London', NOTHING).level).toBe('hourly');
    expect(plan(days, null, NOTHING).level).toBe('hourly');
    expect(plan(hours, 'Europe/Berlin', NOTHING).level).toBe('hourly');
    expect(plan(quarters, 'Europe/Berlin', NOTHING)).toEqual({ level: 'raw', grid: quarters });
  });

  it('has wider buckets where what is finer was removed', () => {
    const raw = at('2026-03-28T01:20Z');
    expect(plan(quarters, 'Europe/Berlin', { raw, hourly: 0 })).toEqual({ level: 'hourly', grid: hours });
    expect(plan(quarters, 'Europe/Berlin', { raw: quarters[0]!, hourly: 0 }).level).toBe('raw');
    const both = { raw, hourly: raw };
    expect(plan(quarters, 'Europe/Berlin', both)).toEqual({ level: 'daily', grid: days.slice(0, 2) });
    expect(plan(hours, 'Europe/Berlin', both)).toEqual({ level: 'daily', grid: days.slice(0, 2) });
  });
});

describe('a bucket in parts', () => {
  it('is read reading by reading where it is narrow', () => {
    expect(parts([0, HOUR, 2.5 * HOUR])).toEqual({
      readings: [
        [0, 0, HOUR],
        [1, HOUR, 2.5 * HOUR],
      ],
      hours: [],
    });
  });

  it('is its hours, and what sticks out', () => {
    expect(parts([0.5 * HOUR, 4 * HOUR, 7.25 * HOUR])).toEqual({
      readings: [
        [0, 0.5 * HOUR, HOUR],
        [1, 7 * HOUR, 7.25 * HOUR],
      ],
      hours: [
        [0, HOUR, 4 * HOUR],
        [1, 4 * HOUR, 7 * HOUR],
      ],
    });
  });
});
