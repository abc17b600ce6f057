import { describe, expect, it } from '@jest/globals';
import { rangesFor } from '../systems/profiles.js';
import { AMMONIA_RANGE, breachedLimits } from './hard-limits.js';
import type { ClassifiedReading } from './perceptron-notifications.script.js';

const ranges = { ...rangesFor('nile-tilapia', 'lettuce'), 'un-ionised-ammonia': AMMONIA_RANGE };
const reading = (
  quantity: string,
  value: number | null,
  rest: Partial<ClassifiedReading> = {},
): ClassifiedReading => ({
  quantity,
  value,
  quality: 'good',
  ageSeconds: 10,
  staleAfterSeconds: 600,
  ratePerHour: null,
  ...rest,
});
const levels = (...readings: ClassifiedReading[]): string[] =>
  breachedLimits(readings, ranges).map(({ code, level }) => `${code} ${level}`);

describe('the hard limits', () => {
  it.each([
    ['dissolved-oxygen', 3.9, ['DISSOLVED-OXYGEN.LOW critical']],
    ['water-temperature', 13.9, ['WATER-TEMPERATURE.LOW critical']],
    ['water-temperature', 36.1, ['WATER-TEMPERATURE.HIGH critical']],
    ['ph', 8.6, ['PH.HIGH warning']],
    ['ph', 5, ['PH.LOW critical']],
    ['total-ammonia-nitrogen', 2.1, ['TOTAL-AMMONIA-NITROGEN.HIGH warning']],
    ['un-ionised-ammonia', 0.05, ['UN-IONISED-AMMONIA.HIGH warning']],
    ['un-ionised-ammonia', 0.21, ['UN-IONISED-AMMONIA.HIGH critical']],
    ['water-level', 59, ['WATER-LEVEL.LOW warning']],
    ['water-level', 19, ['WATER-LEVEL.LOW critical']],
    ['dissolved-oxygen', 4, []],
    ['electrical-conductivity', 9_999, []],
  ])('%s of %d: %j', (quantity, value, expected) => {
    expect(levels(reading(quantity, value))).toEqual(expected);
  });

  it('are not breached by what is history', () => {
    expect(levels(reading('dissolved-oxygen', 1, { ageSeconds: 601 }))).toEqual([]);
  });

  it('are not breached by a probe that failed', () => {
    expect(
      levels(reading('dissolved-oxygen', 0, { quality: 'bad' }), reading('ph', null, { quality: 'bad' })),
    ).toEqual([]);
  });
});
