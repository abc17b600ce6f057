import data from './profiles.json' with { type: 'json' };

type Bounds = [low: number | null, high: number | null];

/** Where it thrives, and outside of what it dies or stops; null is open. */
export interface Range {
  best: Bounds;
  vital: Bounds;
}

export type Ranges = Record<string, Range>;

export interface Profile {
  name: string;
  source: string;
  ranges: Ranges;
  /** Fish only: it takes no feed in colder water, Cel. */
  noFeedBelowC?: number;
  /** Crops only: in colder air it does not develop; degree-days count from here, Cel. */
  baseTemperatureC?: number;
  baseTemperatureSource?: string;
}

export const SPECIES = data.species as unknown as Record<string, Profile>;
export const CROPS = data.crops as unknown as Record<string, Profile>;
const EVERY_SYSTEM = data.everySystem as unknown as Profile;

export const SPECIES_NAMES = Object.keys(SPECIES);
export const CROP_NAMES = Object.keys(CROPS);

/**
 * What a system should keep to: the fish first, then what its bacteria and its crop want of the same water, as far as
 * the three agree. A crop never narrows a vital range: plants wilt slower than fish die.
 */
export function rangesFor(species: string, crop?: string): Ranges {
  const merged: Ranges = {};
  for (const profile of [SPECIES[species], EVERY_SYSTEM, crop ? CROPS[crop] : undefined]) {
    for (const [quantity, range] of Object.entries(profile?.ranges ?? {})) {
      const sofar = merged[quantity];
      merged[quantity] = sofar ? { ...sofar, best: overlap(sofar.best, range.best) } : range;
    }
  }
  return merged;
}

/** Where both hold; the first alone where they exclude each other. */
function overlap(first: Bounds, second: Bounds): Bounds {
  const low = tighter(first[0], second[0], Math.max);
  const high = tighter(first[1], second[1], Math.min);
  return low !== null && high !== null && low > high ? first : [low, high];
}

function tighter(
  first: number | null,
  second: number | null,
  pick: (...bounds: number[]) => number,
): number | null {
  if (first === null) return second;
  return second === null ? first : pick(first, second);
}
