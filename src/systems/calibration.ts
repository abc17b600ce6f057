import { applyCurve, type Curve, REFERENCE_C } from './curve.js';
import { nernstSlope } from './equations.js';
import type { Quantity } from './quantities.js';

/** What the probe said in something whose true value is known. */
export interface CalibrationPoint {
  raw: number;
  /** In the quantity's unit; conductivity at 25 Cel. */
  reference: number;
  /** Of the bottle, Cel. */
  temperatureC: number | null;
}

/** What is calibrated. */
export interface Probe {
  quantity: Quantity;
  rawUnit: string | null;
  /** False for a conductivity probe that reports what it measures at the temperature of the water. */
  isCompensated: boolean;
}

export interface Fit {
  curve: Curve;
  /**
   * What the probe gives for a step of the quantity, in per cent of what an ideal one gives: of the piece furthest from
   * 100. Null where nobody knows what an ideal one gives.
   */
  slopePercent: number | null;
}

export const MAX_POINTS = 3;
/** Below 95 % a pH glass is worn or dirty, above 105 % a bottle was mixed up (makers' usual bounds). */
export const GOOD_SLOPE: [minimum: number, maximum: number] = [95, 105];
/** Natural and nutrient water gain about 2 % of conductivity for each degree (ISO 7888; 1.9 % for potassium chloride). */
export const CONDUCTIVITY_PER_DEGREE = 0.02;

export const isGoodSlope = (percent: number | null): boolean =>
  percent === null || (percent >= GOOD_SLOPE[0] && percent <= GOOD_SLOPE[1]);

/** Why points do not make a calibration. */
export class UnfitPoints extends Error {}

/** What holds before any calibration; null where there is no value before one. */
export function uncalibratedCurve({ quantity, rawUnit, isCompensated }: Probe): Curve | null {
  if (rawUnit !== null) return null;
  const curve: Curve = { knots: [], slopes: [1], offsets: [0] };
  return quantity === 'electrical-conductivity' && !isCompensated
    ? { ...curve, perDegree: CONDUCTIVITY_PER_DEGREE }
    : curve;
}

/**
 * The straight pieces through one to three points. One point shifts what was in force (pH, and whatever has an arbitrary
 * zero), or stretches it (conductivity and oxygen, where nothing reads zero).
 * @throws UnfitPoints
 */
export function fit(probe: Probe, points: CalibrationPoint[], inForce: Curve | null): Fit {
  if (points.length === 0 || points.length > MAX_POINTS) {
    throw new UnfitPoints(`a calibration has 1 to ${MAX_POINTS} points`);
  }
  const isConductivity = probe.quantity === 'electrical-conductivity';
  const targets = points
    .map(({ raw, reference, temperatureC }) => {
      if (!isConductivity || probe.isCompensated) return { raw, reference };
      if (temperatureC === null) throw new UnfitPoints('the temperature of the bottle is not known');
      return { raw, reference: reference * (1 + CONDUCTIVITY_PER_DEGREE * (temperatureC - REFERENCE_C)) };
    })
    .sort((one, other) => one.raw - other.raw);
  const ideal = idealSlope(probe, points);
  const shape =
    targets.length > 1 ? piecesThrough(targets) : throughOne(probe, targets[0]!, inForce ?? lineOf(ideal));
  const percents = shape.slopes.map((slope) => (ideal === null ? null : (100 * ideal) / slope));
  const furthest = percents.reduce((sofar, percent) =>
    Math.abs(percent! - 100) > Math.abs(sofar! - 100) ? percent : sofar,
  );
  const compensation =
    isConductivity && !probe.isCompensated ? { perDegree: CONDUCTIVITY_PER_DEGREE } : undefined;
  return {
    curve: { ...shape, ...compensation },
    slopePercent: furthest,
  };
}

type Target = Pick<CalibrationPoint, 'raw' | 'reference'>;

function piecesThrough(targets: Target[]): Curve {
  const pieces = targets.slice(1).map((target, index) => {
    const before = targets[index]!;
    if (target.raw === before.raw) throw new UnfitPoints('the probe said the same at two points');
    const slope = (target.reference - before.reference) / (target.raw - before.raw);
    return { slope, offset: target.reference - slope * target.raw };
  });
  if (pieces.some(({ slope }) => slope === 0 || Math.sign(slope) !== Math.sign(pieces[0]!.slope))) {
    throw new UnfitPoints('what the probe says does not go one way with the references');
  }
  return {
    knots: targets.slice(1, -1).map(({ raw }) => raw),
    slopes: pieces.map(({ slope }) => slope),
    offsets: pieces.map(({ offset }) => offset),
  };
}

function throughOne({ quantity }: Probe, { raw, reference }: Target, inForce: Curve | null): Curve {
  if (quantity === 'electrical-conductivity' || quantity === 'dissolved-oxygen') {
    if (raw <= 0 || reference <= 0) throw new UnfitPoints('a single point must not be the zero point');
    return { knots: [], slopes: [reference / raw], offsets: [0] };
  }
  if (!inForce) throw new UnfitPoints('a probe that reports in another unit needs two points first');
  const shift = reference - applyCurve(inForce, raw);
  const { knots, slopes, offsets } = inForce;
  return { knots, slopes, offsets: offsets.map((offset) => offset + shift) };
}

const lineOf = (ideal: number | null): Curve | null =>
  ideal === null ? null : { knots: [], slopes: [ideal], offsets: [0] };

/** Value for each unit of the raw figure that an ideal probe has. */
function idealSlope({ quantity, rawUnit }: Probe, points: CalibrationPoint[]): number | null {
  if (quantity === 'ph' && rawUnit === 'mV') {
    const known = points.map(({ temperatureC }) => temperatureC ?? REFERENCE_C);
    return -1 / nernstSlope(known.reduce((sum, each) => sum + each, 0) / known.length);
  }
  if (rawUnit !== null) return null;
  return ['ph', 'electrical-conductivity', 'dissolved-oxygen'].includes(quantity) ? 1 : null;
}

/** The middle of the last raw figures, where they lie together. */
export function settledRaw(probe: Probe, raws: number[], tolerance: number): number | undefined {
  const sorted = [...raws].sort((one, other) => one - other);
  const middle = sorted[Math.floor(sorted.length / 2)]!;
  const spread = sorted[sorted.length - 1]! - sorted[0]!;
  return spread <= steadiness(probe, middle, tolerance) ? middle : undefined;
}

/** Three readings of a probe that has settled differ by no more than this. */
function steadiness({ quantity, rawUnit }: Probe, middle: number, tolerance: number): number {
  // 3 mV are a twentieth of a pH.
  if (quantity === 'ph' && rawUnit === 'mV') return 3;
  return Math.max(0.01 * Math.abs(middle), rawUnit === null ? tolerance / 5 : 0);
}
