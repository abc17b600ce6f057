import { factsOf, type Quantity } from './quantities.js';

/** What a sensor's readings are judged by: the quantity's own rules, with what an operator has changed for this sensor. */
export interface QualityRules {
  /** In the quantity's unit, after calibration. */
  physical: [minimum: number, maximum: number];
  /** In the unit of the raw figure. */
  sentinels: number[];
  maxPerMinute: number | null;
  stuckAfterMs: number | null;
  noiseAbove: number | null;
  staleAfterMs: number;
}

/** @param rawUnit what the probe reports in, where that is not the quantity's unit: then the sentinels of the quantity mean nothing. */
export function rulesFor(
  quantity: Quantity,
  overrides: Partial<QualityRules> = {},
  rawUnit: string | null = null,
): QualityRules {
  const { physical, sentinels, maxPerMinute, stuckAfterMs, noiseAbove, staleAfterMs } = factsOf(quantity);
  return {
    physical,
    sentinels: rawUnit === null ? sentinels : [],
    maxPerMinute,
    stuckAfterMs,
    noiseAbove,
    staleAfterMs,
    ...overrides,
  };
}
