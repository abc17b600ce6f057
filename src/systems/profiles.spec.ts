import { describe, expect, it } from '@jest/globals';
import { CROP_NAMES, rangesFor, SPECIES, SPECIES_NAMES } from './profiles.js';

describe('the ranges of a system', () => {
  it('are where fish, bacteria and crop agree', () => {
    expect(rangesFor('nile-tilapia', 'lettuce').ph).toEqual({ best: [6, 7], vital: [6, 8.5] });
    expect(rangesFor('nile-tilapia', 'basil').ph?.best).toEqual([6, 6.5]);
  });

  it('follow the fish where they exclude each other', () => {
    expect(rangesFor('rainbow-trout', 'lettuce')['water-temperature']).toEqual({
      best: [14, 16],
      vital: [10, 18],
    });
  });

  it('never let a crop narrow what the fish can live in', () => {
    for (const species of SPECIES_NAMES) {
      for (const crop of CROP_NAMES) {
        for (const [quantity, { vital }] of Object.entries(SPECIES[species]!.ranges)) {
          expect(rangesFor(species, crop)[quantity]?.vital).toEqual(vital);
        }
      }
    }
  });

  it('are in order', () => {
    for (const species of SPECIES_NAMES) {
      for (const crop of [undefined, ...CROP_NAMES]) {
        for (const { best, vital } of Object.values(rangesFor(species, crop))) {
          const bounds = [vital[0], best[0], best[1], vital[1]].filter((bound) => bound !== null);
          expect(bounds).toEqual(bounds.toSorted((a, b) => a - b));
        }
      }
    }
  });
});
