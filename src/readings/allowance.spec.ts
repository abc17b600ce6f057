import { describe, expect, it } from '@jest/globals';

import { Allowance } from './allowance.js';

class SetClock {
  at = 1_000_000;
  now = (): number => this.at;
}

function allowanceOf(deviceReadingsPerSecond: number): { clock: SetClock; allowance: Allowance } {
  const clock = new SetClock();
  return { clock, allowance: new Allowance({ deviceReadingsPerSecond }, clock) };
}

describe('the allowance of a device key', () => {
  it('is a minute of readings at once, then as many as time brings', () => {
    const { clock, allowance } = allowanceOf(10);
    expect(allowance.take('esp32', 600)).toBe(0);
    expect(allowance.take('esp32', 1)).toBe(100);
    expect(allowance.take('esp32', 20)).toBe(2000);
    clock.at += 1999;
    expect(allowance.take('esp32', 20)).toBe(1);
    clock.at += 1;
    expect(allowance.take('esp32', 20)).toBe(0);
    expect(allowance.take('esp32', 1)).toBe(100);
  });

  it('is its own', () => {
    const { allowance } = allowanceOf(10);
    allowance.take('flood', 600);
    expect(allowance.take('flood', 1)).toBeGreaterThan(0);
    expect(allowance.take('quiet', 1)).toBe(0);
  });

  it('never grows beyond its minute, and lets a larger batch pass when it is full', () => {
    const { clock, allowance } = allowanceOf(1);
    clock.at += 1_000_000_000;
    expect(allowance.take('esp32', 1000)).toBe(0);
    // It pays for all of it before the next.
    expect(allowance.take('esp32', 1)).toBe(941_000);
    clock.at += 941_000;
    expect(allowance.take('esp32', 1)).toBe(0);
  });

  it('is not lost to a clock that is set back', () => {
    const { clock, allowance } = allowanceOf(10);
    allowance.take('esp32', 500);
    clock.at -= 3_600_000;
    expect(allowance.take('esp32', 100)).toBe(0);
    expect(allowance.take('esp32', 1)).toBe(100);
  });

  it('of zero is no limit', () => {
    expect(allowanceOf(0).allowance.take('esp32', 1e9)).toBe(0);
  });
});
