import { describe, expect, it } from '@jest/globals';
import { pressureAt, saturatedOxygen, unionisedAmmoniaFraction } from './derived.js';

describe('un-ionised ammonia', () => {
  it.each([
    [25, 7, 0.564],
    [25, 8, 5.366],
    [25, 8.5, 15.205],
    [15, 8, 2.656],
    [30, 8, 7.432],
  ])('at %d °C and pH %d is %d per cent of the total', (temperature, ph, percent) => {
    expect(unionisedAmmoniaFraction(temperature, ph) * 100).toBeCloseTo(percent, 3);
  });
});

describe('oxygen saturation', () => {
  it.each([
    [10, 11.288],
    [15, 10.084],
    [20, 9.092],
    [25, 8.263],
    [30, 7.559],
  ])('at %d °C and sea level is %d mg/L', (temperature, oxygen) => {
    expect(saturatedOxygen(temperature)).toBeCloseTo(oxygen, 3);
  });

  it('is less in thin air', () => {
    expect(saturatedOxygen(25, 84.5)).toBeCloseTo(6.848, 3);
  });

  it('finds the pressure at an altitude', () => {
    expect(pressureAt(0)).toBeCloseTo(101.325, 3);
    expect(pressureAt(1500)).toBeCloseTo(84.56, 1);
  });
});
