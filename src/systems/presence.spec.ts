import { describe, expect, it } from '@jest/globals';

import { mayBeSilentForMs, silentBefore } from './presence.js';
import type { Quantity } from './quantities.js';
import type { SensorRow } from './systems.repository.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const measuring = (...quantities: Quantity[]) =>
  quantities.map((quantity, number) => ({ number, quantity, rules: '{}' }) as SensorRow);

describe('a device', () => {
  it('may be silent until the first of its readings is stale', () => {
    expect(mayBeSilentForMs(measuring('nitrate', 'ph'))).toBe(10 * MINUTE);
    expect(mayBeSilentForMs(measuring('greenness'))).toBe(DAY);
    expect(mayBeSilentForMs(measuring('nitrate', 'nitrite'))).toBe(3 * DAY);
    expect(mayBeSilentForMs([])).toBe(10 * MINUTE);
  });

  it('is silent after that, and a minute in which another replica may have heard it', () => {
    const now = 100 * DAY;
    expect(silentBefore(10 * MINUTE, 0, now)).toBe(now - 11 * MINUTE);
  });

  it('is not blamed for what the service could not hear before it started', () => {
    const startedAt = 100 * DAY;
    expect(silentBefore(10 * MINUTE, startedAt, startedAt + 11 * MINUTE - 1)).toBeUndefined();
    expect(silentBefore(10 * MINUTE, startedAt, startedAt + 11 * MINUTE)).toBe(startedAt);
  });
});
