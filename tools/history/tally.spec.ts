import { describe, expect, it } from '@jest/globals';

import { aligned, cellsOf, countCell, emptyTally, tableOf } from './tally.ts';

describe('tally', () => {
  it('shows what became of each cell, and why', () => {
    const tally = emptyTally(['ph', 'nitrate']);
    for (let count = 0; count < 12; count += 1) countCell(tally, 'ph', 'stored good', '');
    countCell(tally, 'ph', 'stored bad', 'no-value (inf)');
    countCell(tally, 'nitrate', 'not posted', 'not a number', 'line 4, "1,5"');
    countCell(tally, 'nitrate', 'not posted', 'not a number', 'line 5, "1,6"');
    expect(cellsOf(tally, 'nitrate', 'not posted')).toBe(2);
    expect(tableOf(tally)).toBe(
      [
        'sensor   stored good  stored suspect  stored bad  duplicate  refused  not posted',
        'ph                12               0           1          0        0           0',
        'nitrate            0               0           0          0        0           2',
        'all               12               0           1          0        0           2',
        '',
        'sensor   cells  why',
        'ph           1  stored bad: no-value (inf)',
        'nitrate      2  not posted: not a number (first: line 4, "1,5")',
      ].join('\n'),
    );
  });

  it('sets columns flush', () => {
    expect(aligned([['a', '1'], ['bcd', '23']])).toBe('a     1\nbcd  23'); // prettier-ignore
  });
});
