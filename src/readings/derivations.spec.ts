import { describe, expect, it } from '@jest/globals';

import { DERIVATIONS, type Input, MINUTE_MS, type Sample, sideBySide } from './derivations.js';

const input = (staleMinutes: number, ...samples: [minute: number, value: number | null][]): Input => ({
  staleAfterMs: staleMinutes * MINUTE_MS,
  samples: samples.map(([minute, value]) => ({ at: minute * MINUTE_MS, value })),
});
const at = (minute: number, ...values: number[]) => ({ at: minute * MINUTE_MS, values });
const END = 1000 * MINUTE_MS;

describe('inputs side by side', () => {
  it('are joined wherever any of them reports, with what the others said last', () => {
    const found = sideBySide([input(10, [1, 10], [5, 11]), input(10, [2, 20], [5, 21], [6, 22])], 0, END);
    expect(found).toEqual([at(2, 10, 20), at(5, 11, 21), at(6, 11, 22)]);
  });

  it('give nothing where one is stale, bad or not there yet', () => {
    expect(sideBySide([input(10, [1, 10]), input(10, [11, 20], [12, 21])], 0, END)).toEqual([at(11, 10, 20)]);
    expect(sideBySide([input(10, [1, 10], [2, null], [4, 12]), input(10, [1, 20], [3, 21])], 0, END)).toEqual(
      [at(1, 10, 20), at(4, 12, 21)],
    );
    expect(sideBySide([input(10, [1, 10]), input(10)], 0, END)).toEqual([]);
  });

  it('give one figure a minute, of its last moment', () => {
    const seconds = (second: number, value: number): Sample => ({ at: second * 1000, value });
    const one = { staleAfterMs: END, samples: [seconds(65, 1), seconds(125, 2)] };
    const other = { staleAfterMs: END, samples: [seconds(61, 5), seconds(119, 6)] };
    expect(sideBySide([one, other], 0, END)).toEqual([
      { at: 119_000, values: [1, 6] },
      { at: 125_000, values: [2, 6] },
    ]);
  });

  it('say the same of a stretch, whatever lies outside of it', () => {
    const inputs = [input(30, [1, 10], [5, 11], [9, 12]), input(30, [2, 20], [7, 21])];
    const whole = sideBySide(inputs, 0, END);
    const from = 5 * MINUTE_MS;
    const parts = [...sideBySide(inputs, 0, from - 1), ...sideBySide(inputs, from, END)];
    expect(parts).toEqual(whole);
  });
});

describe('what is derived', () => {
  const value = (quantity: string, values: number[], altitudeM = 0): number =>
    DERIVATIONS.find((each) => each.quantity === quantity)!.compute(values, { altitudeM });

  it('is what the tables say', () => {
    expect(value('un-ionised-ammonia', [2, 8, 25])).toBeCloseTo(2 * 0.05366, 4);
    expect(value('oxygen-saturation', [8.263, 25])).toBeCloseTo(100, 1);
    expect(value('oxygen-saturation', [6.848, 25], 1507)).toBeCloseTo(100, 0);
    expect(value('vapour-pressure-deficit', [25, 60])).toBeCloseTo(0.4 * 3.168, 3);
  });
});
