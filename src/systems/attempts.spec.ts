import { describe, expect, it } from '@jest/globals';

import { Attempts } from './attempts.js';

const NOW = 1_000_000;

describe('attempts', () => {
  it('are had some at once, and then one after each pause', () => {
    const attempts = new Attempts(3, 1000);
    const take = (now: number) => attempts.take('me', now);
    expect([take(NOW), take(NOW), take(NOW)]).toEqual([0, 0, 0]);
    expect(take(NOW)).toBe(1000);
    expect(take(NOW + 400)).toBe(600);
    expect(take(NOW + 1000)).toBe(0);
    expect(take(NOW + 1000)).toBe(1000);
    expect([0, 1, 2, 3].map(() => take(NOW + 60_000))).toEqual([0, 0, 0, 1000]);
  });

  it('are everyone’s own, and can be given back', () => {
    const attempts = new Attempts(1, 1000);
    expect(attempts.take('me', NOW)).toBe(0);
    expect(attempts.take('you', NOW)).toBe(0);
    expect(attempts.take('me', NOW)).toBe(1000);
    attempts.giveBack('me');
    expect(attempts.take('me', NOW)).toBe(0);
  });

  it('come back where the clock is set back', () => {
    const attempts = new Attempts(1, 1000);
    attempts.take('me', NOW);
    expect(attempts.take('me', NOW - 500_000)).toBe(1000);
    expect(attempts.take('me', NOW - 499_000)).toBe(0);
  });

  it('are remembered of so many, and no more', () => {
    const attempts = new Attempts(1, 1000);
    for (let who = 0; who <= 10_000; who += 1) attempts.take(`${who}`, NOW);
    expect(attempts.take('0', NOW)).toBe(0);
    expect(attempts.take('10000', NOW)).toBe(1000);
  });
});
