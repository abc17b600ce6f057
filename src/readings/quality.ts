import { applyCurve, compensated, type Curve, type TimedCurve } from '../systems/curve.js';
import { type QualityRules, rulesFor } from '../systems/quality-rules.js';
import type { Quantity } from '../systems/quantities.js';

/** As stored: their positions. */
export const QUALITIES = ['good', 'suspect', 'bad'] as const;
export type Quality = (typeof QUALITIES)[number];

export const GOOD = 0;
export const SUSPECT = 1;
export const BAD = 2;
export type QualityLevel = typeof GOOD | typeof SUSPECT | typeof BAD;

export const qualityOf = (level: number): Quality => QUALITIES[level] ?? 'bad';

/**
 * Why a reading is not good, with the quality that each forces; `good` is a remark and nothing more. Stored as a mask of
 * their positions: new ones go to the end, and none ever moves.
 */
const FORCED = {
  'no-value': BAD,
  sentinel: BAD,
  'below-physical-range': BAD,
  'above-physical-range': BAD,
  'power-up': BAD,
  uncalibrated: BAD,
  uncompensated: SUSPECT,
  rate: SUSPECT,
  stuck: SUSPECT,
  noise: SUSPECT,
  calibrating: SUSPECT,
  disagrees: SUSPECT,
  incomplete: SUSPECT,
  'clock-ahead': GOOD,
} as const satisfies Record<string, QualityLevel>;

export type QualityReason = keyof typeof FORCED;

export const REASONS = Object.keys(FORCED) as QualityReason[];

export const maskOf = (...reasons: QualityReason[]): number =>
  reasons.reduce((mask, reason) => mask | (1 << REASONS.indexOf(reason)), 0);

export const namesOf = (mask: number): QualityReason[] =>
  REASONS.filter((_, position) => mask & (1 << position));

/** What a reading brings along, and keeps when it is judged anew. */
export const BROUGHT_ALONG = maskOf('clock-ahead');

const BADS = maskOf(...REASONS.filter((reason) => FORCED[reason] === BAD));
const SUSPECTS = maskOf(...REASONS.filter((reason) => FORCED[reason] === SUSPECT));

export const levelOf = (mask: number): QualityLevel => (mask & BADS ? BAD : mask & SUSPECTS ? SUSPECT : GOOD);

const NO_VALUE = maskOf('no-value');
const SENTINEL = maskOf('sentinel');
const BELOW = maskOf('below-physical-range');
const ABOVE = maskOf('above-physical-range');
const POWER_UP = maskOf('power-up');
const UNCALIBRATED = maskOf('uncalibrated');
const UNCOMPENSATED = maskOf('uncompensated');
const RATE = maskOf('rate');
const STUCK = maskOf('stuck');
const NOISE = maskOf('noise');
const CALIBRATING = maskOf('calibrating');

/** A DS18B20 says 85 Cel until its first conversion: after a wet wire, a brown-out, at each start. */
const POWER_UP_C = 85;
/** Real water or air gets to 85 Cel by degrees. */
const POWER_UP_JUMP = 5;
const MINUTE_MS = 60_000;

/** How many readings before one it takes to judge it. */
export const REMEMBERED = 8;
/** Jumps in a row that make noise. */
const NOISY_JUMPS = 4;

/** What a sensor's readings are judged by, beside its quantity; plain data. */
export interface Judging {
  rules: Partial<QualityRules>;
  /** What holds where no calibration does; null: the raw figure is the value. */
  base: Curve | null;
  /** Calibrations: the first that begins before a reading holds for it. */
  curves: TimedCurve[];
  /** What the probe reports in, where that is not the quantity's unit: then there is no value without a calibration. */
  rawUnit: string | null;
  /** When the probe was in a bottle; what it said then is not of the tank. */
  calibrating: Period[];
}

export interface Period {
  from: number;
  until: number;
}

/** How the readings of one sensor are judged. */
export interface Judge extends Omit<Judging, 'rules' | 'rawUnit'> {
  rules: QualityRules;
  needsCurve: boolean;
  isThermometer: boolean;
}

export function judgeFor(quantity: Quantity, judging: Partial<Judging> = {}): Judge {
  const { rules, base = null, curves = [], rawUnit = null, calibrating = [] } = judging;
  return {
    rules: rulesFor(quantity, rules, rawUnit),
    base,
    curves,
    calibrating,
    needsCurve: rawUnit !== null,
    isThermometer: rawUnit === null && (quantity === 'water-temperature' || quantity === 'air-temperature'),
  };
}

/** A reading on its way to be stored. `judgeRun` fills in the last three. */
export interface Judgeable {
  observedAt: number;
  raw: number | null;
  /** In: what is known already (clock-ahead), or 0. Out: all of it. */
  reasons: number;
  quality: QualityLevel;
  /** The calibrated value; null where the quality is bad. */
  value: number | null;
}

/** What of a sensor's past its next reading is judged by. */
export interface JudgingState {
  /** Of the newest reading; NaN where there is none. */
  at: number;
  raw: number | null;
  /** Since when the raw figure has been reported over and over; NaN where the newest reading has none. */
  unchangedSince: number;
  /** The last readings in a ring; the value is NaN where it was bad. */
  readonly ats: Float64Array;
  readonly values: Float64Array;
  /** Readings written to the ring so far. */
  count: number;
}

export const freshState = (): JudgingState => ({
  at: NaN,
  raw: null,
  unchangedSince: NaN,
  ats: new Float64Array(REMEMBERED),
  values: new Float64Array(REMEMBERED),
  count: 0,
});

/**
 * The state before a reading, from the rows that precede it in time.
 * @param previous the last REMEMBERED rows before it (more do no harm), oldest first
 * @param unchangedSince as kept in sensor_states; where it is unknown (a late reading), as far as the rows show
 */
export function stateAfter(
  judge: Judge,
  previous: { observedAt: number; raw: number | null; value: number | null }[],
  unchangedSince?: number | null,
): JudgingState {
  const state = freshState();
  for (const { observedAt, raw, value } of previous) remember(judge.rules, state, observedAt, raw, value);
  if (typeof unchangedSince === 'number' && unchangedSince < state.unchangedSince) {
    state.unchangedSince = unchangedSince;
  }
  return state;
}

/**
 * Judges readings in order of time and moves the state along; one at a time or all at once makes no difference.
 * @param temperatureAt water temperature, Cel, for a curve that compensates; null where nobody knows
 */
export function judgeRun(
  judge: Judge,
  state: JudgingState,
  readings: Judgeable[],
  temperatureAt?: (at: number) => number | null,
): void {
  for (const reading of readings) {
    judgeOne(judge, state, reading, temperatureAt);
    remember(judge.rules, state, reading.observedAt, reading.raw, reading.value);
  }
}

function judgeOne(
  { rules, base, curves, calibrating, needsCurve, isThermometer }: Judge,
  state: JudgingState,
  reading: Judgeable,
  temperatureAt?: (at: number) => number | null,
): void {
  const { raw, observedAt } = reading;
  let mask = reading.reasons;
  for (const { from, until } of calibrating) {
    if (observedAt >= from && observedAt < until) mask |= CALIBRATING;
  }
  let value: number | null = raw;
  if (raw === null) {
    mask |= NO_VALUE;
  } else {
    if (isThermometer && raw === POWER_UP_C && jumps(state, raw)) mask |= POWER_UP;
    else if (rules.sentinels.includes(raw) && !isReal85(isThermometer, raw, rules)) mask |= SENTINEL;
    const curve = curveAt(base, curves, observedAt);
    if (curve) {
      value = applyCurve(curve, raw);
      if (curve.perDegree !== undefined) {
        const temperature = temperatureAt?.(observedAt) ?? null;
        if (temperature === null) mask |= UNCOMPENSATED;
        else value = compensated(value, temperature, curve.perDegree);
      }
    } else if (needsCurve) {
      mask |= UNCALIBRATED;
    }
    if (!(mask & UNCALIBRATED)) {
      if (value! < rules.physical[0]) mask |= BELOW;
      else if (value! > rules.physical[1]) mask |= ABOVE;
    }
    if (!(mask & BADS)) {
      if (isTooFast(rules, state, observedAt, value!)) mask |= RATE;
      if (isStuck(rules, state, observedAt, raw)) mask |= STUCK;
      if (isNoisy(rules, state, observedAt, value!)) mask |= NOISE;
    }
  }
  reading.reasons = mask;
  reading.quality = levelOf(mask);
  reading.value = reading.quality === BAD ? null : value;
}

function curveAt(base: Curve | null, curves: TimedCurve[], at: number): Curve | null {
  for (const { from, curve } of curves) if (at >= from) return curve ?? base;
  return base;
}

function remember(
  rules: QualityRules,
  state: JudgingState,
  at: number,
  raw: number | null,
  value: number | null,
): void {
  if (raw === null) state.unchangedSince = NaN;
  else if (raw !== state.raw || !isSteady(rules, state, at)) state.unchangedSince = at;
  state.at = at;
  state.raw = raw;
  const place = state.count % REMEMBERED;
  state.ats[place] = at;
  state.values[place] = value ?? NaN;
  state.count += 1;
}

/** A device that reports only what changes is silent, not stuck: a stream is what comes at least four times in the period. */
const isSteady = (rules: QualityRules, state: JudgingState, at: number): boolean =>
  rules.stuckAfterMs === null || at - state.at <= rules.stuckAfterMs / 4;

function isStuck(rules: QualityRules, state: JudgingState, at: number, raw: number): boolean {
  return (
    rules.stuckAfterMs !== null &&
    raw === state.raw &&
    at - state.unchangedSince > rules.stuckAfterMs &&
    isSteady(rules, state, at)
  );
}

/** Too far from both of the last two values: a step is suspect once, and the way back from an outlier is not. */
function isTooFast(rules: QualityRules, state: JudgingState, at: number, value: number): boolean {
  if (rules.maxPerMinute === null) return false;
  let compared = 0;
  for (let back = 1; back <= REMEMBERED && back <= state.count && compared < 2; back += 1) {
    const place = (state.count - back) % REMEMBERED;
    const before = state.values[place]!;
    if (Number.isNaN(before)) continue;
    const minutes = Math.max(1, (at - state.ats[place]!) / MINUTE_MS);
    if (Math.abs(value - before) <= rules.maxPerMinute * minutes) return false;
    compared += 1;
  }
  return compared > 0;
}

function isNoisy(rules: QualityRules, state: JudgingState, at: number, value: number): boolean {
  if (rules.noiseAbove === null) return false;
  let [later, laterAt, direction, jumps] = [value, at, 0, 0];
  for (let back = 1; back <= REMEMBERED && back <= state.count; back += 1) {
    const place = (state.count - back) % REMEMBERED;
    const before = state.values[place]!;
    if (Number.isNaN(before)) continue;
    const jump = later - before;
    if (Math.abs(jump) <= rules.noiseAbove || Math.sign(jump) === direction) return false;
    if (laterAt - state.ats[place]! > rules.staleAfterMs) return false;
    jumps += 1;
    if (jumps === NOISY_JUMPS) return true;
    [later, laterAt, direction] = [before, state.ats[place]!, Math.sign(jump)];
  }
  return false;
}

/** 85 out of the blue, or as the first thing a probe says. */
function jumps(state: JudgingState, value: number): boolean {
  if (state.count === 0) return true;
  const before = state.values[(state.count - 1) % REMEMBERED]!;
  return Number.isNaN(before) || Math.abs(value - before) > POWER_UP_JUMP;
}

/** Where an operator has widened the range, 85 may be reached. */
const isReal85 = (isThermometer: boolean, raw: number, rules: QualityRules): boolean =>
  isThermometer && raw === POWER_UP_C && raw <= rules.physical[1];

export interface Judged {
  /** The calibrated figure; null where the quality is bad. */
  value: number | null;
  quality: Quality;
  reasons: QualityReason[];
}

/** One figure by itself, without a past. */
export function judge(quantity: Quantity, raw: number | null): Judged {
  const reading: Judgeable = { observedAt: 0, raw, reasons: 0, quality: GOOD, value: null };
  judgeRun(judgeFor(quantity), freshState(), [reading]);
  return { value: reading.value, quality: qualityOf(reading.quality), reasons: namesOf(reading.reasons) };
}
