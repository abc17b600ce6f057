import { describe, expect, it } from '@jest/globals';

import { parseInstant } from './instant.js';

describe('an instant', () => {
  it.each([
    ['2024-02-29T12:00:00Z', Date.UTC(2024, 1, 29, 12)],
    ['2023-12-31T23:59:59.5-01:00', Date.UTC(2024, 0, 1, 0, 59, 59, 500)],
    ['0050-01-31T00:00Z', Date.parse('0050-01-31T00:00:00.000Z')],
  ])('is read from %s', (text, time) => {
    expect(parseInstant(text)).toBe(time);
  });

  it.each([
    '2024-02-30T12:00:00Z',
    '2023-02-29T12:00:00Z',
    '2023-04-31T12:00:00+02:00',
    '2023-04-32T12:00:00Z',
    '2023-00-10T12:00:00Z',
    '2023-13-01T12:00:00Z',
    '2024-01-01T25:00:00Z',
    '2024-01-01T12:00:00',
    '2024-01-01',
    'now',
    1_700_000_000,
    null,
  ])('is not %s', (text) => {
    expect(parseInstant(text)).toBeNaN();
  });
});
