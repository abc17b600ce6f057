import { describe, expect, it } from '@jest/globals';
import { CLOCK_TOLERANCE_MS, EARLIEST_OBSERVATION, fromJson, refuseTime } from './ingest.js';

const NOW = Date.UTC(2026, 10, 20, 9);

describe('one item of a JSON batch', () => {
  it('is taken with the time it names, if any', () => {
    expect(fromJson({ sensor: 'ph', value: 6.8, observedAt: '2026-11-20T10:00:00+02:00' })).toEqual({
      sensor: 'ph',
      value: 6.8,
      observedAt: Date.UTC(2026, 10, 20, 8),
    });
    expect(fromJson({ sensor: 'ph', value: null })).toEqual({ sensor: 'ph', value: null });
  });

  it.each([
    [7, 'READING.NOT_AN_OBJECT'],
    [null, 'READING.NOT_AN_OBJECT'],
    [[], 'READING.NOT_AN_OBJECT'],
    [{ sensor: 'ph', value: 1, unit: 'x' }, 'READING.UNKNOWN_FIELD'],
    [{ sensor: 7, value: 1 }, 'READING.SENSOR_TYPE'],
    [{ value: 1 }, 'READING.SENSOR_TYPE'],
    [{ sensor: 'ph' }, 'READING.VALUE_TYPE'],
    [{ sensor: 'ph', value: '6.8' }, 'READING.VALUE_TYPE'],
    [{ sensor: 'ph', value: 7, observedAt: 'yesterday' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: '2026-11-20' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: '2026-02-31T00:00:00' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: '2026-02-29T00:00:00Z' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: 1_700_000_000 }, 'READING.TIME_FORM'],
  ])('%j is refused as %s', (item, code) => {
    expect(fromJson(item)).toMatchObject({ refusal: { code } });
  });
});

describe('the time of an observation', () => {
  it('may come from a clock that runs a little ahead', () => {
    expect(refuseTime(NOW + CLOCK_TOLERANCE_MS, NOW)).toBeUndefined();
    expect(refuseTime(EARLIEST_OBSERVATION, NOW)).toBeUndefined();
  });

  it.each([
    [NOW + CLOCK_TOLERANCE_MS + 1, 'READING.FUTURE'],
    [EARLIEST_OBSERVATION - 1, 'READING.TOO_OLD'],
  ])('is refused at %d as %s', (at, code) => {
    expect(refuseTime(at, NOW)).toMatchObject({ refusal: { code } });
  });
});
