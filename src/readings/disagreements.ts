import { factsOf, type Quantity } from '../systems/quantities.js';

/** A good and fresh value of a sensor. */
export interface Heard {
  sensor: string;
  quantity: Quantity;
  place: string;
  value: number;
}

export interface Disagreement {
  quantity: Quantity;
  place: string;
  sensors: [lower: string, higher: string];
  /** How far apart they are. */
  difference: number;
  tolerance: number;
}

/** Sensors of one quantity at one place whose values lie further apart than the quantity's tolerance: one of them is wrong. */
export function disagreements(heard: Heard[]): Disagreement[] {
  const groups = new Map<string, Heard[]>();
  for (const each of heard) {
    const key = `${each.quantity}@${each.place}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].flatMap((group) => {
    const sorted = group.sort((one, other) => one.value - other.value);
    const [lowest, highest] = [sorted[0]!, sorted[sorted.length - 1]!];
    const { quantity, place } = lowest;
    const { tolerance } = factsOf(quantity);
    const difference = highest.value - lowest.value;
    if (difference <= tolerance) return [];
    return [{ quantity, place, sensors: [lowest.sensor, highest.sensor], difference, tolerance }];
  });
}
