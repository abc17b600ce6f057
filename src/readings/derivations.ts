import { vapourPressureDeficit } from '../systems/equations.js';
import { pressureAt, saturatedOxygen, unionisedAmmoniaFraction } from '../systems/equations.js';
import type { Quantity } from '../systems/quantities.js';

/** What of a system goes into what is derived. */
export interface Surroundings {
  altitudeM: number;
}

/** A quantity that is computed from others wherever they are known at the same time. */
export interface Derivation {
  quantity: Quantity;
  inputs: Quantity[];
  compute: (values: number[], surroundings: Surroundings) => number;
}

export const DERIVATIONS: Derivation[] = [
  {
    quantity: 'un-ionised-ammonia',
    inputs: ['total-ammonia-nitrogen', 'ph', 'water-temperature'],
    compute: ([total, ph, temperature]) => total! * unionisedAmmoniaFraction(temperature!, ph!),
  },
  {
    quantity: 'oxygen-saturation',
    inputs: ['dissolved-oxygen', 'water-temperature'],
    compute: ([oxygen, temperature], { altitudeM }) =>
      (100 * oxygen!) / saturatedOxygen(temperature!, pressureAt(altitudeM)),
  },
  {
    quantity: 'vapour-pressure-deficit',
    inputs: ['air-temperature', 'relative-humidity'],
    compute: ([temperature, humidity]) => vapourPressureDeficit(temperature!, humidity!),
  },
];

/** Of a whole local day, and so not among the others. */
export const DEGREE_DAYS: Pick<Derivation, 'quantity' | 'inputs'> = {
  quantity: 'degree-days',
  inputs: ['air-temperature'],
};

/** The newest reading of a minute; null where it is not good. */
export interface Sample {
  at: number;
  value: number | null;
}

export interface Input {
  /** Oldest first, one a minute; of the time before the stretch only the newest matters. */
  samples: Sample[];
  /** For how long a reading speaks of now. */
  staleAfterMs: number;
}

export const MINUTE_MS = 60_000;

/**
 * The inputs side by side: once in every minute of the stretch in which any of them reported, at the time of the last
 * that did. An input counts with its newest reading, while that is good and fresh; where one does not, there is nothing.
 */
export function sideBySide(inputs: Input[], from: number, to: number): { at: number; values: number[] }[] {
  const ends = new Map<number, number>();
  for (const { samples } of inputs) {
    for (const { at } of samples) {
      if (at < from || at > to) continue;
      const minute = Math.floor(at / MINUTE_MS);
      ends.set(minute, Math.max(at, ends.get(minute) ?? at));
    }
  }
  const next = inputs.map(() => 0);
  const found: { at: number; values: number[] }[] = [];
  for (const at of [...ends.values()].sort((one, other) => one - other)) {
    const values = inputs.map(({ samples, staleAfterMs }, index) => {
      while (next[index]! < samples.length && samples[next[index]!]!.at <= at) next[index]! += 1;
      const newest = samples[next[index]! - 1];
      return newest && at - newest.at <= staleAfterMs ? newest.value : null;
    });
    if (values.every((value) => value !== null)) found.push({ at, values });
  }
  return found;
}

/** Below this share of a day's hours its extremes are anybody's guess. */
export const ENOUGH_HOURS = 0.9;
