import { describe, expect, it } from '@jest/globals';
import type { SensorRow } from '../systems/systems.repository.js';
import { CLOCK_TOLERANCE_MS, EARLIEST_OBSERVATION, examine } from './ingest.js';

const NOW = Date.UTC(2026, 10, 20, 9);
const ph: SensorRow = { number: 1, system_id: 's', id: 'ph', device_id: 'd', quantity: 'ph', place: 'tank' };
const sensors = new Map([['ph', ph]]);
const look = (item: unknown) => examine(item, 0, sensors, NOW);
const at = (time: number): string => new Date(time).toISOString();

describe('one item of a batch', () => {
  it('is taken with the time it names, or with the time of its arrival', () => {
    expect(look({ sensor: 'ph', value: 6.8, observedAt: '2026-11-20T10:00:00+02:00' })).toMatchObject({
      observedAt: Date.UTC(2026, 10, 20, 8),
      value: 6.8,
      quality: 'good',
    });
    expect(look({ sensor: 'ph', value: 6.8 })).toMatchObject({ observedAt: NOW });
  });

  it('keeps what a failed probe says without making it a value', () => {
    expect(look({ sensor: 'ph', value: -1 })).toMatchObject({ raw: -1, value: null, quality: 'bad' });
    expect(look({ sensor: 'ph', value: null })).toMatchObject({ raw: null, value: null, quality: 'bad' });
  });

  it.each([
    [7, 'READING.NOT_AN_OBJECT'],
    [null, 'READING.NOT_AN_OBJECT'],
    [[], 'READING.NOT_AN_OBJECT'],
    [{ sensor: 'ph', value: 1, unit: 'x' }, 'READING.UNKNOWN_FIELD'],
    [{ sensor: 7, value: 1 }, 'READING.SENSOR_TYPE'],
    [{ value: 1 }, 'READING.SENSOR_TYPE'],
    [{ sensor: 'constructor', value: 1 }, 'SENSOR.NOT_FOUND'],
    [{ sensor: 'ph' }, 'READING.VALUE_TYPE'],
    [{ sensor: 'ph', value: '6.8' }, 'READING.VALUE_TYPE'],
    [{ sensor: 'ph', value: Infinity }, 'READING.VALUE_TYPE'],
    [{ sensor: 'ph', value: 7, observedAt: 'yesterday' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: '2026-11-20' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: '2026-02-31T00:00:00' }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: 1_700_000_000 }, 'READING.TIME_FORM'],
    [{ sensor: 'ph', value: 7, observedAt: at(NOW + CLOCK_TOLERANCE_MS + 1) }, 'READING.FUTURE'],
    [{ sensor: 'ph', value: 7, observedAt: at(EARLIEST_OBSERVATION - 1) }, 'READING.TOO_OLD'],
  ])('%j is refused as %s', (item, code) => {
    expect(look(item)).toMatchObject({ code });
  });

  it('may come from a clock that runs a little ahead', () => {
    expect(look({ sensor: 'ph', value: 7, observedAt: at(NOW + CLOCK_TOLERANCE_MS) })).toMatchObject({
      value: 7,
    });
  });
});
