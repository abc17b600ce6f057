import { describe, expect, it } from '@jest/globals';
import { judge } from './quality.js';

describe('a failed probe never becomes a number', () => {
  it.each([
    ['water-temperature', -127, 'below-physical-range'],
    ['water-temperature', 85, 'above-physical-range'],
    ['water-temperature', 255, 'above-physical-range'],
    ['ph', 0, 'sentinel'],
    ['ph', 15.45, 'above-physical-range'],
    ['ph', -3, 'below-physical-range'],
    ['dissolved-oxygen', 0, 'sentinel'],
    ['dissolved-oxygen', 20.5, 'above-physical-range'],
    ['turbidity', -13, 'below-physical-range'],
    ['total-ammonia-nitrogen', 2773230848, 'above-physical-range'],
    ['air-temperature', -9999, 'below-physical-range'],
  ] as const)('%s of %d is bad (%s)', (quantity, raw, reason) => {
    expect(judge(quantity, raw)).toEqual({ value: null, quality: 'bad', reasons: [reason] });
  });

  it('nor does a probe that reports nothing', () => {
    expect(judge('ph', null)).toEqual({ value: null, quality: 'bad', reasons: ['no-value'] });
  });

  it('keeps a plausible value', () => {
    expect(judge('water-temperature', 27.1)).toEqual({ value: 27.1, quality: 'good', reasons: [] });
    expect(judge('total-ammonia-nitrogen', 0)).toEqual({ value: 0, quality: 'good', reasons: [] });
  });
});
