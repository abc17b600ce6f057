import { describe, expect, it } from '@jest/globals';

import { inForce } from '../systems/curve.js';
import { type QualityRules } from '../systems/quality-rules.js';
import { type Quantity } from '../systems/quantities.js';
import {
  BAD,
  freshState,
  GOOD,
  type Judge,
  judge,
  type Judgeable,
  judgeFor,
  judgeRun,
  levelOf,
  maskOf,
  namesOf,
  REASONS,
  REMEMBERED,
  stateAfter,
  SUSPECT,
} from './quality.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const reading = (observedAt: number, raw: number | null, reasons = 0): Judgeable => ({
  observedAt,
  raw,
  reasons,
  quality: GOOD,
  value: null,
});

/** A figure every step, judged as one run; the reasons of each. */
function reasonsOf(how: Judge, raws: (number | null)[], stepMs = 20 * SECOND): string[][] {
  const run = raws.map((raw, index) => reading(index * stepMs, raw));
  judgeRun(how, freshState(), run);
  return run.map(({ reasons }) => namesOf(reasons));
}

const last = <T>(list: T[]): T | undefined => list[list.length - 1];

describe('a failed probe never becomes a number', () => {
  it.each([
    ['water-temperature', -127, ['sentinel', 'below-physical-range']],
    ['water-temperature', 85, ['above-physical-range', 'power-up']],
    ['water-temperature', 255, ['sentinel', 'above-physical-range']],
    ['ph', 0, ['sentinel']],
    ['ph', 15.45, ['above-physical-range']],
    ['ph', -3, ['below-physical-range']],
    ['dissolved-oxygen', 0, ['sentinel']],
    ['dissolved-oxygen', 20.5, ['above-physical-range']],
    ['electrical-conductivity', 0, ['sentinel']],
    ['turbidity', -13, ['below-physical-range']],
    ['water-level', -127, ['below-physical-range']],
    ['total-ammonia-nitrogen', 2773230848, ['above-physical-range']],
    ['air-temperature', -9999, ['sentinel', 'below-physical-range']],
  ] as const)('%s of %d is bad (%j)', (quantity, raw, reasons) => {
    expect(judge(quantity, raw)).toEqual({ value: null, quality: 'bad', reasons });
  });

  it('nor does a probe that reports nothing', () => {
    expect(judge('ph', null)).toEqual({ value: null, quality: 'bad', reasons: ['no-value'] });
  });

  it('keeps a plausible value', () => {
    expect(judge('water-temperature', 27.1)).toEqual({ value: 27.1, quality: 'good', reasons: [] });
    expect(judge('total-ammonia-nitrogen', 0)).toEqual({ value: 0, quality: 'good', reasons: [] });
    expect(judge('electrical-conductivity', 255)).toMatchObject({ quality: 'good' });
  });
});

describe('the mask of reasons', () => {
  it('has a place for each, which never moves', () => {
    expect(REASONS).toEqual([
      'no-value',
      'sentinel',
      'below-physical-range',
      'above-physical-range',
      'power-up',
      'uncalibrated',
      'uncompensated',
      'rate',
      'stuck',
      'noise',
      'calibrating',
      'disagrees',
      'incomplete',
      'clock-ahead',
    ]);
    for (const reason of REASONS) expect(namesOf(maskOf(reason))).toEqual([reason]);
    expect(namesOf(maskOf('rate', 'no-value'))).toEqual(['no-value', 'rate']);
  });

  it('knows what each reason makes of a reading', () => {
    expect(levelOf(0)).toBe(GOOD);
    expect(levelOf(maskOf('clock-ahead'))).toBe(GOOD);
    expect(levelOf(maskOf('clock-ahead', 'stuck'))).toBe(SUSPECT);
    expect(levelOf(maskOf('stuck', 'sentinel'))).toBe(BAD);
  });

  it('keeps what a reading brings along', () => {
    const run = [reading(0, 7, maskOf('clock-ahead'))];
    judgeRun(judgeFor('ph'), freshState(), run);
    expect(run).toMatchObject([{ quality: GOOD, value: 7, reasons: maskOf('clock-ahead') }]);
  });

  it('tells what was said in a bottle from what was said in the tank', () => {
    const how = judgeFor('ph', { calibrating: [{ from: MINUTE, until: 3 * MINUTE }] });
    const bottle = ['calibrating'];
    expect(reasonsOf(how, [7, 7, 7, 7, 7], MINUTE)).toEqual([[], bottle, bottle, [], []]);
  });
});

describe('85 degrees', () => {
  const boiler = judgeFor('water-temperature', { rules: { physical: [-2, 120] } });

  it('is a power-up where it comes out of the blue, also where water may be as hot', () => {
    expect(reasonsOf(boiler, [85])).toEqual([['power-up']]);
    expect(reasonsOf(boiler, [24, 85, 24.1])).toEqual([[], ['power-up'], []]);
  });

  it('is a temperature where the water got there by degrees', () => {
    expect(reasonsOf(boiler, [84.5, 84.9, 85, 85])).toEqual([[], [], [], []]);
  });
});

describe('the rate', () => {
  const temperature = judgeFor('water-temperature');

  it('makes an outlier suspect, and not the way back from it', () => {
    expect(reasonsOf(temperature, [25, 25, 0, 25, 25])).toEqual([[], [], ['rate'], [], []]);
  });

  it('makes a step suspect once', () => {
    expect(reasonsOf(temperature, [25, 25, 4, 4.1, 4])).toEqual([[], [], ['rate'], [], []]);
  });

  it('counts the time between, and bad readings not at all', () => {
    expect(reasonsOf(temperature, [25, 4], 5 * MINUTE)).toEqual([[], []]);
    expect(reasonsOf(temperature, [25, -127, 26])[2]).toEqual([]);
  });

  it('allows for a minute at the least, so that the resolution of a fast probe is no rate', () => {
    expect(reasonsOf(temperature, [25, 25.5, 25, 25.5], 10)).toEqual([[], [], [], []]);
  });

  it('keeps the value', () => {
    const run = [reading(0, 25), reading(SECOND, 49)];
    judgeRun(temperature, freshState(), run);
    expect(run[1]).toMatchObject({ quality: SUSPECT, value: 49 });
  });
});

describe('stuck', () => {
  const oxygen = judgeFor('dissolved-oxygen');

  it('is a steady stream of one raw figure for longer than the quantity allows', () => {
    const steps = 6 * 6; // six hours of ten minutes
    const reasons = reasonsOf(oxygen, Array<number>(steps + 2).fill(7.1), 10 * MINUTE);
    expect(reasons[steps]).toEqual([]);
    expect(reasons[steps + 1]).toEqual(['stuck']);
  });

  it('ends with the first other figure', () => {
    const reasons = reasonsOf(oxygen, [...Array<number>(40).fill(7.1), 7.2, 7.2], 10 * MINUTE);
    expect(reasons[39]).toEqual(['stuck']);
    expect(reasons.slice(40)).toEqual([[], []]);
  });

  it('is not what a device is that reports only changes, and was silent', () => {
    expect(reasonsOf(oxygen, [7.1, 7.1, 7.1, 7.1], 7 * HOUR)).toEqual([[], [], [], []]);
  });

  it('starts anew after a failure', () => {
    const half = Array<number>(30).fill(7.1);
    expect(last(reasonsOf(oxygen, [...half, null, ...half], 10 * MINUTE))).toEqual([]);
  });
});

describe('noise', () => {
  const ph = judgeFor('ph');

  it('is going up and down by much, four times in a row', () => {
    expect(reasonsOf(ph, [6, 8, 6, 8, 6, 8])).toEqual([[], [], [], [], ['noise'], ['noise']]);
  });

  it('is neither a way up nor a little trembling', () => {
    expect(last(reasonsOf(ph, [4, 5.5, 7, 8.5, 10]))).toEqual([]);
    expect(last(reasonsOf(ph, [6, 6.2, 6, 6.2, 6]))).toEqual([]);
  });

  it('is not what hours lie between', () => {
    expect(last(reasonsOf(ph, [6, 8, 6, 8, 6], HOUR))).toEqual([]);
  });
});

describe('a calibration', () => {
  it('turns the raw figure into the value that is judged', () => {
    const curve = { knots: [], slopes: [2], offsets: [1] };
    const run = [reading(0, 3), reading(MINUTE, 6.9)];
    judgeRun(judgeFor('ph', { curves: [{ from: 0, curve }] }), freshState(), run);
    expect(run).toMatchObject([
      { raw: 3, value: 7, quality: GOOD },
      { raw: 6.9, value: null, quality: BAD },
    ]);
  });

  it('holds from its own time on, and the newest of those that do', () => {
    const shift = (offset: number) => ({ knots: [], slopes: [1], offsets: [offset] });
    const curves = inForce([
      { from: 3 * MINUTE, curve: null },
      { from: MINUTE, curve: shift(0.2) },
      { from: 2 * MINUTE, curve: shift(9) },
      { from: 0, curve: shift(0.1) },
    ]);
    expect(curves.map(({ from }) => from)).toEqual([3 * MINUTE, MINUTE, 0]);
    const run = [0, 1, 2, 3].map((minute) => reading(minute * MINUTE, 7));
    judgeRun(judgeFor('ph', { curves }), freshState(), run);
    expect(run.map(({ value }) => value)).toEqual([7.1, 7.2, 7.2, 7]);
  });

  it('is missed where the probe speaks in another unit', () => {
    expect(reasonsOf(judgeFor('ph', { rawUnit: 'mV' }), [0, 120])).toEqual([
      ['uncalibrated'],
      ['uncalibrated'],
    ]);
    const curve = { knots: [], slopes: [-1 / 59.16], offsets: [7] };
    const run = [reading(0, 0)];
    judgeRun(judgeFor('ph', { curves: [{ from: 0, curve }], rawUnit: 'mV' }), freshState(), run);
    expect(run).toMatchObject([{ value: 7, quality: GOOD, reasons: 0 }]);
  });

  it('may compensate for the temperature, and says where it could not', () => {
    const how = judgeFor('electrical-conductivity', {
      base: { knots: [], slopes: [1], offsets: [0], perDegree: 0.02 },
    });
    const run = [reading(0, 1_100), reading(MINUTE, 1_100)];
    judgeRun(how, freshState(), run, (at) => (at === 0 ? 30 : null));
    expect(run[0]).toMatchObject({ quality: GOOD });
    expect(run[0]!.value).toBeCloseTo(1_000, 9);
    expect(run[1]).toMatchObject({ quality: SUSPECT, value: 1_100, reasons: maskOf('uncompensated') });
  });
});

/** Mulberry32: the same numbers each time, so that a failure can be looked at. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('the same readings in whatever pieces', () => {
  /** Short periods, so that a few hundred readings meet every rule. */
  const rules: Partial<QualityRules> = { stuckAfterMs: 3 * MINUTE, maxPerMinute: 2, noiseAbove: 1 };

  function series(random: () => number, seed: number): Judgeable[] {
    const odd: (number | null)[] = [null, -127, 85, 255, 60, 10, 12, 14];
    let at = 0;
    let raw: number | null = 20;
    return Array.from({ length: 300 }, () => {
      at += 1 + Math.floor(random() * (random() < 0.05 ? 4 * MINUTE : 40 * SECOND));
      const die = random();
      if (die < 0.15) raw = odd[Math.floor(random() * odd.length)]!;
      else if (die < (seed % 3 ? 0.5 : 0.2)) raw = 18 + Math.round(random() * 8) / 2;
      return reading(at, raw, random() < 0.02 ? maskOf('clock-ahead') : 0);
    });
  }

  const met = new Set<string>();
  const copy = (run: Judgeable[]): Judgeable[] => run.map((each) => ({ ...each }));

  it.each(Array.from({ length: 25 }, (_, seed) => seed))('(seed %i) get the same judgement', (seed) => {
    const random = randomNumbers(seed);
    const quantity: Quantity = seed % 2 ? 'water-temperature' : 'air-temperature';
    const how = judgeFor(quantity, { rules });
    const whole = series(random, seed);
    const [pieces, revived] = [copy(whole), copy(whole)];

    judgeRun(how, freshState(), whole);

    const state = freshState();
    for (let start = 0; start < pieces.length;) {
      const length = 1 + Math.floor(random() * 7);
      judgeRun(how, state, pieces.slice(start, start + length));
      start += length;
    }
    expect(pieces).toEqual(whole);

    // As after a restart before each reading: from the last rows and what sensor_states keeps.
    let unchangedSince: number | null = null;
    revived.forEach((each, index) => {
      const fresh = stateAfter(how, revived.slice(Math.max(0, index - REMEMBERED), index), unchangedSince);
      judgeRun(how, fresh, [each]);
      unchangedSince = fresh.unchangedSince;
    });
    expect(revived).toEqual(whole);

    for (const { reasons } of whole) for (const name of namesOf(reasons)) met.add(name);
  });

  it('have met every rule', () => {
    for (const rule of ['rate', 'stuck', 'noise', 'sentinel', 'power-up', 'no-value', 'clock-ahead']) {
      expect([...met]).toContain(rule);
    }
  });
});
