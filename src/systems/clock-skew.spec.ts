import { describe, expect, it } from '@jest/globals';

import { ClockSkew, isWrong } from './clock-skew.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 21, 9, 2);

/** What a device that posts each minute has sent until now; `observed` says when it says it measured. */
function after(minutes: number, observed: (arrivedAt: number, minute: number) => number): number | undefined {
  const skew = new ClockSkew();
  for (let minute = 0; minute <= minutes; minute += 1) {
    const arrivedAt = NOW - (minutes - minute) * MINUTE;
    skew.add(arrivedAt, observed(arrivedAt, minute));
  }
  return skew.estimate(NOW);
}

describe('the clock of a device', () => {
  it('is not known of a device that names no times', () => {
    expect(new ClockSkew().estimate(NOW)).toBeUndefined();
  });

  it('is right, but for the way, where it posts live', () => {
    expect(after(0, (at) => at - 120)).toBe(-120);
    expect(after(90, (at, minute) => at - 120 - (minute % 7) * SECOND)).toBe(-120);
  });

  it('is ahead as soon as a message comes from the future', () => {
    expect(after(0, (at) => at + HOUR)).toBe(HOUR);
  });

  it('is not called behind for sending what it kept while it was away', () => {
    // A batch a minute, oldest first, each with a quarter of an hour more.
    const kept = (at: number, minute: number) => at - 6 * HOUR + minute * 15 * MINUTE;
    for (const minutes of [0, 5, 15, 20]) expect(after(minutes, kept)).toBeUndefined();
    expect(after(26, (at, minute) => Math.min(kept(at, minute), at - 300))).toBe(-300);
  });

  it('is not doubted for old readings between new ones', () => {
    expect(after(30, (at, minute) => (minute % 2 ? at - 200 : at - 5 * HOUR))).toBe(-200);
  });

  it('is behind where it stays behind', () => {
    expect(after(4, (at) => at - HOUR)).toBeUndefined();
    expect(after(20, (at) => at - HOUR)).toBe(-HOUR);
    const neverSet = Date.UTC(2000, 0, 1);
    expect(after(20, (_, minute) => neverSet + minute * MINUTE)).toBeLessThan(-20 * 365 * 24 * HOUR);
  });

  it('is judged by the last hour', () => {
    const skew = new ClockSkew();
    skew.add(NOW - 70 * MINUTE, NOW);
    expect(skew.estimate(NOW - 40 * MINUTE)).toBe(70 * MINUTE);
    expect(skew.estimate(NOW)).toBeUndefined();
    skew.add(NOW, NOW - 300);
    expect(skew.estimate(NOW)).toBe(-300);
  });

  it('is wrong by more than half a minute', () => {
    expect([-31, -30, 0, 30, 31].map((seconds) => isWrong(seconds * SECOND))).toEqual([
      true,
      false,
      false,
      false,
      true,
    ]);
  });
});
