import { describe, expect, it } from '@jest/globals';
import { disagreements, type Heard } from './disagreements.js';

const heard = (sensor: string, value: number, place = 'tank', quantity: Heard['quantity'] = 'ph'): Heard => ({
  sensor,
  quantity,
  place,
  value,
});

describe('two sensors of one quantity at one place', () => {
  it('disagree where they lie further apart than the quantity allows', () => {
    expect(disagreements([heard('b', 7.4), heard('a', 7), heard('c', 7.1)])).toEqual([
      {
        quantity: 'ph',
        place: 'tank',
        sensors: ['a', 'b'],
        difference: expect.closeTo(0.4, 9),
        tolerance: 0.3,
      },
    ]);
  });

  it('agree within it, and are not compared with other places and quantities', () => {
    expect(disagreements([heard('a', 7), heard('b', 7.3 - 1e-9)])).toEqual([]);
    expect(disagreements([heard('a', 7), heard('b', 9, 'sump')])).toEqual([]);
    expect(disagreements([heard('a', 7), heard('b', 20, 'tank', 'water-temperature')])).toEqual([]);
  });
});
