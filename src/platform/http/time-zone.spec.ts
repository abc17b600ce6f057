import { describe, expect, it } from '@jest/globals';

import { isTimeZone } from './time-zone.js';

describe('a time zone', () => {
  it.each(['UTC', 'Europe/Rome', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5', 'Asia/Kathmandu'])(
    'is %s',
    (name) => expect(isTimeZone(name)).toBe(true),
  );

  it.each(['', '+02:00', '-0500', 'Mars/Olympus', 'Europe/', 'Europe/Rome ', "UTC'; --", 7, null])(
    'is not %j',
    (name) => expect(isTimeZone(name)).toBe(false),
  );
});
