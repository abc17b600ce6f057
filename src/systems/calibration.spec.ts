import { describe, expect, it } from '@jest/globals';

import {
  type CalibrationPoint,
  fit,
  isGoodSlope,
  type Probe,
  settledRaw,
  uncalibratedCurve,
} from './calibration.js';
import { applyCurve, compensated } from './curve.js';
import type { Quantity } from './quantities.js';

const probe = (quantity: Quantity, more: Partial<Probe> = {}): Probe => ({
  quantity,
  rawUnit: null,
  isCompensated: true,
  ...more,
});
const point = (raw: number, reference: number, temperatureC: number | null = null): CalibrationPoint => ({
  raw,
  reference,
  temperatureC,
});
const identity = uncalibratedCurve(probe('ph'));

describe('pH', () => {
  it('is shifted by one point, and keeps its slope', () => {
    const { curve, slopePercent } = fit(probe('ph'), [point(7.2, 7)], identity);
    expect(applyCurve(curve, 7.2)).toBeCloseTo(7, 9);
    expect(applyCurve(curve, 4.2)).toBeCloseTo(4, 9);
    expect(slopePercent).toBeCloseTo(100, 9);
    const bent = fit(probe('ph'), [point(4.1, 4), point(7, 7), point(10.2, 10)], identity).curve;
    const again = fit(probe('ph'), [point(7.1, 7)], bent).curve;
    expect(again.slopes).toEqual(bent.slopes);
    expect(applyCurve(again, 7.1)).toBeCloseTo(7, 9);
  });

  it('of an electrode that gives 57.3 mV a unit has 97 per cent of the slope at 25 °C', () => {
    const mv = probe('ph', { rawUnit: 'mV' });
    const { curve, slopePercent } = fit(mv, [point(5, 7, 25), point(5 + 3 * 57.3852, 4, 25)], null);
    expect(slopePercent).toBeCloseTo(97, 2);
    expect(isGoodSlope(slopePercent)).toBe(true);
    expect(applyCurve(curve, 5 - 57.3852)).toBeCloseTo(8, 6);
  });

  it('of a worn electrode has a slope that is not good', () => {
    const mv = probe('ph', { rawUnit: 'mV' });
    expect(isGoodSlope(fit(mv, [point(0, 7, 25), point(3 * 55, 4, 25)], null).slopePercent)).toBe(false);
    expect(isGoodSlope(fit(probe('ph'), [point(7, 7), point(4.5, 4)], identity).slopePercent)).toBe(false);
    expect(isGoodSlope(fit(probe('ph'), [point(4, 7), point(7, 4)], identity).slopePercent)).toBe(false);
    expect([94.9, 95, 105, 105.1].map(isGoodSlope)).toEqual([false, true, true, false]);
  });

  it('goes through all of three points, straight between them, whatever their order', () => {
    const points = [point(10.3, 10), point(4.1, 4), point(7.05, 7)];
    const { curve, slopePercent } = fit(probe('ph'), points, identity);
    for (const { raw, reference } of points) expect(applyCurve(curve, raw)).toBeCloseTo(reference, 9);
    expect(applyCurve(curve, (4.1 + 7.05) / 2)).toBeCloseTo(5.5, 9);
    // 2.95 and 3.25 for 3: the worse of the two.
    expect(slopePercent).toBeCloseTo((100 * 3.25) / 3, 6);
  });

  it('knows the slope of one point in millivolts, and of nothing else', () => {
    const { curve } = fit(probe('ph', { rawUnit: 'mV' }), [point(10, 7, 25)], null);
    expect(applyCurve(curve, 10 + 59.16)).toBeCloseTo(6, 4);
    expect(() => fit(probe('ph', { rawUnit: 'V' }), [point(2.5, 7)], null)).toThrow(/two points/);
  });
});

describe('conductivity', () => {
  it('is stretched by one point, since water that conducts nothing reads zero', () => {
    const ec = probe('electrical-conductivity');
    const { curve, slopePercent } = fit(ec, [point(1370, 1413)], identity);
    expect(applyCurve(curve, 0)).toBe(0);
    expect(applyCurve(curve, 1370)).toBeCloseTo(1413, 9);
    expect(slopePercent).toBeCloseTo(96.957, 3);
  });

  it('of a probe that does not compensate is that of 25 °C, in the bottle and in the tank', () => {
    const ec = probe('electrical-conductivity', { isCompensated: false });
    const { curve, slopePercent } = fit(ec, [point(1271.7, 1413, 20)], uncalibratedCurve(ec));
    expect(slopePercent).toBeCloseTo(100, 6);
    expect(compensated(applyCurve(curve, 1271.7), 20, curve.perDegree!)).toBeCloseTo(1413, 6);
    expect(compensated(applyCurve(curve, 1100), 30, curve.perDegree!)).toBeCloseTo(1000, 6);
    expect(() => fit(ec, [point(1271.7, 1413)], null)).toThrow(/temperature/);
  });
});

describe('oxygen', () => {
  it('is stretched by air-saturated water, and shifted by a zero point too', () => {
    const oxygen = probe('dissolved-oxygen');
    const one = fit(oxygen, [point(8, 8.263)], identity).curve;
    expect(applyCurve(one, 4)).toBeCloseTo(4.1315, 9);
    const two = fit(oxygen, [point(8.1, 8.263), point(0.1, 0)], identity).curve;
    expect(applyCurve(two, 0.1)).toBeCloseTo(0, 9);
    expect(applyCurve(two, 8.1)).toBeCloseTo(8.263, 9);
    expect(() => fit(oxygen, [point(0.1, 0)], identity)).toThrow(/zero/);
  });
});

describe('whatever is linear', () => {
  it('takes one point or two, and nobody knows its ideal slope', () => {
    const air = probe('air-temperature');
    expect(fit(air, [point(21, 20)], identity)).toEqual({
      curve: { knots: [], slopes: [1], offsets: [-1] },
      slopePercent: null,
    });
    const level = probe('water-level', { rawUnit: 'V' });
    const { curve } = fit(level, [point(0.5, 0), point(4.5, 100)], null);
    expect(applyCurve(curve, 2.5)).toBeCloseTo(50, 9);
  });

  it('wants points that make sense', () => {
    const level = probe('water-level');
    expect(() => fit(level, [], identity)).toThrow(/1 to 3/);
    expect(() => fit(level, [point(1, 0), point(1, 5)], identity)).toThrow(/same/);
    expect(() => fit(level, [point(1, 0), point(2, 5), point(3, 4)], identity)).toThrow(/one way/);
    expect(() => fit(level, [point(1, 5), point(2, 5)], identity)).toThrow(/one way/);
  });
});

describe('a probe in a bottle', () => {
  it('has settled when its last figures lie together', () => {
    expect(settledRaw(probe('ph'), [7.01, 7.02, 7], 0.3)).toBe(7.01);
    expect(settledRaw(probe('ph'), [6.2, 6.6, 7], 0.3)).toBeUndefined();
    expect(settledRaw(probe('ph', { rawUnit: 'mV' }), [0, 2, 1], 0.3)).toBe(1);
    expect(settledRaw(probe('ph', { rawUnit: 'mV' }), [0, 12, 6], 0.3)).toBeUndefined();
  });
});
