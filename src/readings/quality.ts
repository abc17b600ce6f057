import { factsOf, type Quantity } from '../systems/quantities.js';

export const QUALITIES = ['good', 'suspect', 'bad'] as const;
export type Quality = (typeof QUALITIES)[number];

/** Why a reading is not good. */
export type QualityReason = 'no-value' | 'sentinel' | 'below-physical-range' | 'above-physical-range';

export interface Judged {
  /** The figure that may be used; null unless the reading is good. */
  value: number | null;
  quality: Quality;
  reasons: QualityReason[];
}

const bad = (reason: QualityReason): Judged => ({ value: null, quality: 'bad', reasons: [reason] });

/** A failed probe never becomes a number: what it reports is kept as `raw`, and `value` stays empty. */
export function judge(quantity: Quantity, raw: number | null): Judged {
  if (raw === null) return bad('no-value');
  const { physical, sentinels } = factsOf(quantity);
  if (sentinels.includes(raw)) return bad('sentinel');
  if (raw < physical[0]) return bad('below-physical-range');
  if (raw > physical[1]) return bad('above-physical-range');
  return { value: raw, quality: 'good', reasons: [] };
}
