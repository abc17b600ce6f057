import { describe, expect, it } from '@jest/globals';

import { fieldOf, parsePayload, PayloadError } from './mqtt-payload.js';

const parse = (text: string, sensor: string | undefined = 'ph') => parsePayload(Buffer.from(text), sensor);
const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof PayloadError) return error.refusal.code;
  }
  return 'none';
};

describe('the payload of an MQTT message', () => {
  it.each([
    ['6.8', 6.8],
    [' 6.8\n', 6.8],
    ['-127', -127],
    ['1e3', 1000],
    ['.5', 0.5],
    ['nan', null],
    ['NaN', null],
    ['inf', null],
    ['', null],
    ['null', null],
    ['None', null],
    ['unavailable', null],
    ['unknown', null],
  ])('%j on the topic of a sensor is a reading of %j', (text, value) => {
    expect(parse(text)).toEqual([{ sensor: 'ph', value }]);
  });

  it('may be an object, with a time of its own', () => {
    const observedAt = '2026-11-20T09:00:00.000Z';
    expect(parse(`{"value": 6.8, "observedAt": "${observedAt}"}`)).toEqual([
      { sensor: 'ph', value: 6.8, observedAt: Date.parse(observedAt) },
    ]);
  });

  it('may be a batch, bare or named', () => {
    const items = [{ sensor: 'ph', value: 6.8 }, { value: null }];
    const measured = [
      { sensor: 'ph', value: 6.8 },
      { sensor: 'ph', value: null },
    ];
    expect(parse(JSON.stringify(items))).toEqual(measured);
    expect(parse(JSON.stringify({ readings: items }))).toEqual(measured);
    expect(parsePayload(Buffer.from('[{"sensor":"ec","value":1}]'), undefined)).toEqual([
      { sensor: 'ec', value: 1 },
    ]);
  });

  it('may be SenML', () => {
    expect(parse('[{"n":"ph","v":6.8}]')).toEqual({ senml: [{ n: 'ph', v: 6.8 }] });
    expect(parse('[{"bn":"ph","bt":1},{"v":6.8}]')).toEqual({ senml: [{ bn: 'ph', bt: 1 }, { v: 6.8 }] });
    expect(parse('[{"v":6.8}]')).toEqual({ senml: [{ bn: 'ph' }, { v: 6.8 }] });
  });

  it('refuses an item in its place', () => {
    expect(parse('[{"value":"6.8"},{"value":6.8},{"sensor":"ec","value":1},7,"x"]')).toMatchObject([
      { refusal: { code: 'READING.VALUE_TYPE' } },
      { value: 6.8 },
      { refusal: { code: 'MQTT.OTHER_SENSOR' } },
      { value: 7 },
      { refusal: { code: 'READING.NOT_AN_OBJECT' } },
    ]);
    expect(parse('{"value":6.8,"observedAt":"yesterday"}')).toMatchObject([
      { refusal: { code: 'READING.TIME_FORM' } },
    ]);
  });

  it.each(['ON', 'true', '"6.8"', '{"value":', '6.8 pH', '0x10', '1,5', '--1'])(
    '%j is no reading',
    (text) => {
      expect(codeOf(() => parse(text))).toBe('MQTT.NOT_A_READING');
    },
  );

  it('is no reading where it is a number on the topic of a system', () => {
    expect(codeOf(() => parsePayload(Buffer.from('6.8'), undefined))).toBe('MQTT.NOT_A_READING');
  });

  it('must be UTF-8', () => {
    expect(codeOf(() => parsePayload(Buffer.from([0x36, 0xff, 0xfe]), 'ph'))).toBe('MQTT.NOT_UTF8');
  });

  it('has fields at dotted paths, and none by inheritance', () => {
    const json = { Time: 't', DS18B20: { Temperature: 26.4 } };
    expect(fieldOf(json, 'DS18B20.Temperature')).toBe(26.4);
    expect(fieldOf(json, 'DS18B20.Humidity')).toBeUndefined();
    expect(fieldOf(json, 'constructor.name')).toBeUndefined();
    expect(fieldOf(json, '__proto__')).toBeUndefined();
  });
});
