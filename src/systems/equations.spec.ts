import { describe, expect, it } from '@jest/globals';
import {
  degreeDays,
  nernstSlope,
  pressureAt,
  saturatedOxygen,
  saturationVapourPressure,
  unionisedAmmoniaFraction,
  vapourPressureDeficit,
} from './equations.js';

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

describe('vapour', () => {
  it.each([
    [1, 0.657],
    [10, 1.228],
    [15, 1.705],
    [20, 2.338],
    [24.5, 3.075],
    [25, 3.168],
    [30, 4.243],
    [40, 7.376],
  ])('at %d °C has the saturation pressure of FAO-56, table 2.3: %d kPa', (temperature, pressure) => {
    expect(saturationVapourPressure(temperature)).toBeCloseTo(pressure, 3);
  });

  it('is missing from the air by what its humidity leaves', () => {
    expect(vapourPressureDeficit(25, 100)).toBe(0);
    expect(vapourPressureDeficit(25, 0)).toBeCloseTo(3.168, 3);
    // FAO-56, example 5 in parts: 24.9 °C and 54 % leave 0.46 of what the air could hold.
    expect(vapourPressureDeficit(24.9, 54)).toBeCloseTo(0.46 * 3.149, 3);
  });
});

describe('degree-days', () => {
  it('count the warmth above the base, and no cold', () => {
    expect(degreeDays(12, 24, 10)).toBe(8);
    expect(degreeDays(2, 10, 10)).toBe(0);
  });
});

describe('a pH electrode', () => {
  it('gives 59.16 mV for each unit at 25 °C, and 54.20 at 0', () => {
    expect(nernstSlope(25)).toBeCloseTo(59.16, 2);
    expect(nernstSlope(0)).toBeCloseTo(54.2, 2);
  });
});
