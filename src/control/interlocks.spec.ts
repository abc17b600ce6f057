import { describe, expect, it } from '@jest/globals';
import { ACTUATOR_KIND_NAMES, ACTUATOR_KINDS } from '../systems/actuators.js';
import { rangesFor } from '../systems/profiles.js';
import { dispose, type Facts, LEAST_AIR_PERCENT } from './interlocks.js';

const well = {
  'water-temperature': 28,
  'dissolved-oxygen': 6.5,
  ph: 6.8,
  'un-ionised-ammonia': 0.01,
  'water-level': 98,
};
const facts = (known: Facts['known'] = {}): Facts => ({
  known: { ...well, ...known },
  failed: [],
  ranges: rangesFor('nile-tilapia', 'lettuce'),
  noFeedBelowC: 17,
});
const without = (...quantities: (keyof typeof well)[]): Facts => {
  const all = facts();
  for (const quantity of quantities) delete all.known[quantity];
  return all;
};
const codes = (...args: Parameters<typeof dispose>): string[] =>
  dispose(...args).interlocks.map(({ code }) => code);

describe('a heater', () => {
  it('runs as proposed in water that is cold and deep', () => {
    expect(dispose('heater', 60, facts({ 'water-temperature': 20 }))).toEqual({
      percent: 60,
      interlocks: [],
    });
  });

  it('never runs on a dead temperature probe', () => {
    expect(dispose('heater', 100, without('water-temperature'))).toMatchObject({ percent: 0 });
    expect(codes('heater', 100, without('water-temperature'))).toEqual(['HEATER.TEMPERATURE_UNKNOWN']);
  });

  it('never heats water that is warm enough, whatever is proposed', () => {
    expect(dispose('heater', 100, facts({ 'water-temperature': 30 })).percent).toBe(0);
  });

  it('does not run where the level probe has failed, and does where there is none', () => {
    const cold = facts({ 'water-temperature': 20 });
    delete cold.known['water-level'];
    expect(dispose('heater', 100, cold).percent).toBe(100);
    expect(codes('heater', 100, { ...cold, failed: ['water-level'] })).toEqual(['HEATER.LEVEL_FAILED']);
  });

  it('never stands in air', () => {
    expect(codes('heater', 100, facts({ 'water-temperature': 20, 'water-level': 59 }))).toEqual([
      'HEATER.LEVEL_LOW',
    ]);
  });
});

describe('an air pump', () => {
  it('is never off', () => {
    expect(dispose('air-pump', 0, facts()).percent).toBe(LEAST_AIR_PERCENT);
  });

  it('gives all it has where nobody knows the oxygen, or it is too low to live', () => {
    expect(dispose('air-pump', 10, without('dissolved-oxygen')).percent).toBe(100);
    expect(dispose('air-pump', 10, facts({ 'dissolved-oxygen': 3.9 })).percent).toBe(100);
  });
});

describe('a circulation pump', () => {
  it('does not run dry', () => {
    expect(dispose('circulation-pump', 80, facts({ 'water-level': 19 })).percent).toBe(0);
    expect(dispose('circulation-pump', 80, facts({ 'water-level': 20 })).percent).toBe(80);
  });
});

describe('a feeder', () => {
  it.each([
    ['the temperature is unknown', without('water-temperature'), 'FEEDER.UNKNOWN'],
    ['the oxygen is unknown', without('dissolved-oxygen'), 'FEEDER.UNKNOWN'],
    ['the water is too cold for the species', facts({ 'water-temperature': 16.9 }), 'FEEDER.COLD'],
    ['the oxygen is too low', facts({ 'dissolved-oxygen': 3.9 }), 'FEEDER.OXYGEN_VITAL'],
    ['there is ammonia enough', facts({ 'un-ionised-ammonia': 0.05 }), 'FEEDER.AMMONIA'],
  ])('stays shut where %s', (_, given, code) => {
    expect(dispose('feeder', 100, given)).toMatchObject({ percent: 0, interlocks: [{ code }] });
  });
});

describe('any actuator', () => {
  it('goes to its safe state where nothing is proposed', () => {
    for (const kind of ACTUATOR_KIND_NAMES) {
      const disposition = dispose(kind, null, facts({ 'water-temperature': 20 }));
      expect(disposition.percent).toBe(ACTUATOR_KINDS[kind].safePercent);
      expect(disposition.interlocks[0]?.code).toBe('NO_PROPOSAL');
    }
  });

  it('says nothing of an interlock that changed nothing', () => {
    expect(codes('heater', 0, without('water-temperature'))).toEqual([]);
  });
});
