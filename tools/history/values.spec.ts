import { describe, expect, it } from '@jest/globals';

import { readCell } from './values.ts';

describe('readCell', () => {
  it.each([
    ['26.8125', 26.8125],
    [' -127 ', -127],
    ['+3', 3],
    ['.5', 0.5],
    ['5.', 5],
    ['1E-05', 0.00001],
    ['0', 0],
    ['0.1', 0.1],
    ['42010.77344', 42010.77344],
  ])('keeps %j exactly', (text, value) => {
    expect(readCell(text, false)).toEqual({ kind: 'number', value });
  });

  it.each(['inf', '-Inf', 'Infinity', 'NaN', '1e999'])('knows %j as a probe that failed', (text) => {
    expect(readCell(text, false).kind).toBe('failed');
  });

  it.each(['', '  ', '\t'])('knows %j as blank', (text) =>
    expect(readCell(text, false)).toEqual({ kind: 'blank' }),
  );

  it.each(['1,5', '0x10', '1_000', '1 000', '1.2.3', '12abc', 'error', '-', '.', 'e5', 'true', '٣'])(
    'does not make a number of %j',
    (text) => expect(readCell(text, false)).toEqual({ kind: 'unreadable' }),
  );

  it('reads a decimal comma where told', () => {
    expect(readCell('1,5', true)).toEqual({ kind: 'number', value: 1.5 });
    expect(readCell('1,234,5', true)).toEqual({ kind: 'unreadable' });
  });
});
