import { describe, expect, it } from '@jest/globals';

import type { Quantity } from '../../systems/quantities.js';
import { parseSenml } from './senml.js';

const NOW = Date.UTC(2026, 10, 21, 9);
const AT = NOW / 1000;
const sensor = (id: string, quantity: Quantity, device_id = 'water') => ({ id, quantity, device_id });
const SENSORS = new Map(
  [
    sensor('ph', 'ph'),
    sensor('tank-ph', 'ph'),
    sensor('water-temperature', 'water-temperature'),
    sensor('dissolved-oxygen', 'dissolved-oxygen'),
    sensor('electrical-conductivity', 'electrical-conductivity'),
    sensor('relative-humidity', 'relative-humidity'),
    sensor('flow-rate', 'flow-rate'),
    sensor('co2', 'co2', 'air'),
    sensor('illuminance', 'illuminance', 'air'),
    sensor('greenhouse', 'illuminance', 'air'),
  ].map((each) => [each.id, each]),
);
const parse = (...records: unknown[]) => parseSenml(records, 'greenhouse', SENSORS, NOW);
const codes = (...records: unknown[]) =>
  parse(...records).map((item) => ('refusal' in item ? item.refusal.code : item.sensor));

describe('a SenML pack', () => {
  it('is resolved record by record', () => {
    const pack = [
      {
        bn: 'urn:dev:ow:10e2073a01080063:',
        bt: 1763715600.5,
        bu: 'Cel',
        bver: 10,
        n: 'water-temperature',
        v: 26,
      },
      { n: 'water-temperature', t: -5, v: 25.9 },
      { n: 'ph', u: 'pH', v: 6.8, ut: 60 },
      { bn: 'greenhouse/', bt: 0, bv: 20, n: 'water-temperature', v: 6.4, t: -10 },
      { n: 'water-temperature', v: 6.5 },
    ];
    expect(parse(...pack)).toEqual([
      { sensor: 'water-temperature', value: 26, observedAt: 1763715600500 },
      { sensor: 'water-temperature', value: 25.9, observedAt: 1763715595500 },
      { sensor: 'ph', value: 6.8, observedAt: 1763715600500 },
      { sensor: 'water-temperature', value: 26.4, observedAt: NOW - 10_000 },
      { sensor: 'water-temperature', value: 26.5, observedAt: NOW },
    ]);
  });

  it.each<[t: number, observedAt: number]>([
    [0, NOW],
    [-0.25, NOW - 250],
    [30, NOW + 30_000],
    [2 ** 28 - 1, NOW + (2 ** 28 - 1) * 1000],
    [2 ** 28, 2 ** 28 * 1000],
    [AT, NOW],
  ])('says by t=%d when it was', (t, observedAt) => {
    expect(parse({ n: 'ph', v: 7, t })).toEqual([{ sensor: 'ph', value: 7, observedAt }]);
  });

  it.each([
    ['ph', 'ph'],
    ['urn:dev:mac:0024befffe804ff1:ph', 'ph'],
    ['urn:dev:mac:0024befffe804ff1/ph', 'ph'],
    ['urn:dev:ow:264437f5000000ed_relative_humidity', 'relative-humidity'],
    ['urn:dev:org:32473-foo:tank/ph', 'tank-ph'],
    ['greenhouse:ph', 'ph'],
    ['greenhouse/tank/ph', 'tank-ph'],
    ['farm/greenhouse/water-temperature', 'water-temperature'],
    ['https://farm.example/greenhouse/water_temperature', 'water-temperature'],
    ['water:ph', 'ph'],
    ['greenhouse/air/co2', 'co2'],
    ['greenhouse', 'greenhouse'],
    // Two probes are never taken for one.
    ['sump/ph', 'SENSOR.NOT_FOUND'],
    ['air/ph', 'SENSOR.NOT_FOUND'],
    ['school/ph', 'SENSOR.NOT_FOUND'],
    ['constructor', 'SENSOR.NOT_FOUND'],
    ['urn:dev:ow:10e2073a01080063', 'SENSOR.NOT_FOUND'],
    ['/ph', 'SENSOR.NOT_FOUND'],
    ['p h', 'SENSOR.NOT_FOUND'],
    ['ph'.repeat(10_000), 'SENSOR.NOT_FOUND'],
    ['', 'SENSOR.NOT_FOUND'],
  ])('of the name %.60j is %s', (n, found) => {
    expect(codes({ n, v: 7 })).toEqual([found]);
  });

  it.each<[n: string, u: string, v: number, value: number]>([
    ['water-temperature', 'Cel', 26.4, 26.4],
    ['water-temperature', 'K', 299.55, 26.4],
    ['water-temperature', '[degF]', 79.52, 26.4],
    ['ph', 'pH', 6.8, 6.8],
    ['ph', '[pH]', 6.8, 6.8],
    ['electrical-conductivity', 'S/m', 0.145, 1450],
    ['electrical-conductivity', 'mS/cm', 1.45, 1450],
    ['electrical-conductivity', 'uS/cm', 1450, 1450],
    ['dissolved-oxygen', 'mg/l', 5.2, 5.2],
    ['dissolved-oxygen', 'kg/m3', 0.0052, 5.2],
    ['dissolved-oxygen', 'ppm', 5.2, 5.2],
    ['relative-humidity', '%RH', 61, 61],
    ['relative-humidity', '/', 0.61, 61],
    ['co2', 'ppm', 420, 420],
    ['co2', '/', 0.00042, 420],
    ['flow-rate', 'l/s', 0.5, 30],
    ['flow-rate', 'm3/s', 0.0005, 30],
    ['illuminance', 'lx', 30_000, 30_000],
  ])('has %s in %s', (n, u, v, value) => {
    expect(parse({ n, u, v })).toEqual([{ sensor: n, value, observedAt: NOW }]);
  });

  it.each([
    ['ph', 'Cel'],
    ['water-temperature', '%'],
    ['water-temperature', 'C'],
    ['dissolved-oxygen', '%'],
    ['co2', 'mg/L'],
    ['ph', 'constructor'],
    ['ph', '__proto__'],
    ['ph', ''],
  ])('of %s in %j is refused', (n, u) => {
    expect(codes({ n, u, v: 7 }, { n: 'ph', v: 7 })).toEqual(['READING.UNIT', 'ph']);
  });

  it.each<[record: unknown, code: string]>([
    [null, 'READING.NOT_AN_OBJECT'],
    [7, 'READING.NOT_AN_OBJECT'],
    [[], 'READING.NOT_AN_OBJECT'],
    [{}, 'SENSOR.NOT_FOUND'],
    [{ n: 'ph' }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', v: '7' }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', v: true }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', v: {} }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', vs: '7' }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', vb: true }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', vd: 'Nw' }, 'READING.VALUE_TYPE'],
    [{ n: 'ph', s: 7 }, 'SENML.SUM'],
    [{ n: 7, v: 7 }, 'SENML.FIELD_TYPE'],
    [{ n: 'ph', v: 7, t: 'now' }, 'SENML.FIELD_TYPE'],
    [{ n: 'ph', v: 7, t: null }, 'SENML.FIELD_TYPE'],
    [{ n: 'ph', v: 7, u: 1 }, 'SENML.FIELD_TYPE'],
    [{ n: 'ph', v: 7, t: 1e300 }, 'READING.TIME_FORM'],
    [{ n: 'ph', v: 7, hold_: 1 }, 'SENML.MUST_UNDERSTAND'],
  ])('refuses %j as %s, and goes on', (record, code) => {
    expect(codes(record, { n: 'ph', v: 7 })).toEqual([code, 'ph']);
  });

  it('of a failed probe is a reading without a value', () => {
    expect(parse({ n: 'ph', v: null, bv: 7 })).toEqual([{ sensor: 'ph', value: null, observedAt: NOW }]);
  });

  it('passes over what it need not understand, and over base fields by themselves', () => {
    expect(codes({ bn: 'greenhouse/', bs: 1 }, { n: 'ph', v: 7, s: 3, colour: 'red' })).toEqual(['ph']);
  });

  it.each([{ bn: 7 }, { bt: 'now' }, { bu: null }, { bv: 'x' }, { bver: '10' }, { bhold_: 1 }])(
    'refuses all that rests on %j',
    (base) => {
      expect(codes({ n: 'ph', v: 7 }, { ...base, n: 'ph', v: 7 }, { n: 'ph', v: 7 })).toEqual([
        'ph',
        ...Array<string>(2).fill('bhold_' in base ? 'SENML.MUST_UNDERSTAND' : 'SENML.FIELD_TYPE'),
      ]);
    },
  );

  it('is whole again where a base is set anew', () => {
    expect(codes({ bt: 'now', n: 'ph', v: 7 }, { bt: AT, n: 'ph', v: 7 })).toEqual([
      'SENML.FIELD_TYPE',
      'ph',
    ]);
  });

  it.each([10, 26, 5])('is understood in version %d', (bver) => {
    expect(codes({ bver, n: 'ph', v: 7 })).toEqual(['ph']);
  });

  it.each([32, 42, 1.5, -1])('is not understood in version %d', (bver) => {
    expect(codes({ bver, n: 'ph', v: 7 })).toEqual(['SENML.VERSION']);
  });
});
