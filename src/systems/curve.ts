/** A calibration as it is applied: straight pieces from raw figure to value. */
export interface Curve {
  /** Where one piece ends and the next begins, ascending; one fewer than there are pieces. */
  knots: number[];
  slopes: number[];
  offsets: number[];
  /** Where the probe does not compensate: the share by which it reads more for each degree above 25 Cel. */
  perDegree?: number;
}

/** A calibration from some time on; null takes back what held before. */
export interface TimedCurve {
  from: number;
  curve: Curve | null;
}

/** Those of the calibrations, newest first, that still hold for any time. */
export function inForce(newestFirst: TimedCurve[]): TimedCurve[] {
  const kept: TimedCurve[] = [];
  for (const each of newestFirst) if (each.from < (kept.at(-1)?.from ?? Infinity)) kept.push(each);
  return kept;
}

/** Standards and growers speak of conductivity at this temperature, Cel. */
export const REFERENCE_C = 25;

export function applyCurve(curve: Curve, raw: number): number {
  let piece = 0;
  while (piece < curve.knots.length && raw >= curve.knots[piece]!) piece += 1;
  return curve.slopes[piece]! * raw + curve.offsets[piece]!;
}

/** What the same water would read at 25 Cel (ISO 7888, linear form). */
export const compensated = (value: number, temperatureC: number, perDegree: number): number =>
  value / (1 + perDegree * (temperatureC - REFERENCE_C));
