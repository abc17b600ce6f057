import { describe, expect, it } from '@jest/globals';

import { isoTime } from './clock.js';

describe('a time in ISO 8601', () => {
  it('is what Date says', () => {
    const times = [
      0, -1, -0.5, 0.9, 1795232682806, 1795232682806.7, 951782399999, 951782400000, 8.64e15, -8.64e15,
    ];
    for (let time = -3e12; time < 4e12; time += 7_777_777_777.3) times.push(time, time + 1);
    expect(times.map(isoTime)).toEqual(times.map((time) => new Date(time).toISOString()));
  });

  it('is none of what is no time', () => {
    for (const wrong of [NaN, Infinity, 8.64e15 + 86_400_000])
      expect(() => isoTime(wrong)).toThrow(RangeError);
  });
});
