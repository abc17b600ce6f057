import { describe, expect, it } from '@jest/globals';
import { DateTime, IANAZone } from 'luxon';

import { type CalendarUnit, localDayOf, localIsoTime, nextStart, offsetAt, startOf } from './local-time.js';

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);
const hoursOfDay = (instant: string, zone: string): number => {
  const { from, to } = localDayOf(at(instant), zone);
  return (to - from) / HOUR;
};

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Havana',
  'America/Sao_Paulo',
  'America/St_Johns',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Chatham',
  'Atlantic/Azores',
];

describe('local time', () => {
  it.each(ZONES)('agrees with luxon on the clocks of %s', (zone) => {
    const wrong = [];
    for (let now = at('2005-01-01T00:07:00Z'); now < at('2027-01-01T00:00:00Z'); now += 7.3 * HOUR) {
      if (offsetAt(now, zone) !== IANAZone.create(zone).offset(now) * 60_000) wrong.push(now);
    }
    expect(wrong).toEqual([]);
  });

  it.each(ZONES)('cuts the time of %s into days without a gap or an overlap', (zone) => {
    const wrong = [];
    const lengths = new Set<number>();
    let day = localDayOf(at('2008-01-01T12:00:00Z'), zone);
    while (day.from < at('2013-01-01T00:00:00Z')) {
      lengths.add((day.to - day.from) / HOUR);
      for (const now of [day.from, day.from + 1, day.from + HOUR + 1, day.from + 12 * HOUR, day.to - 1]) {
        const { from, to } = localDayOf(now, zone);
        if (from !== day.from || to !== day.to) wrong.push(now);
      }
      if (nextStart('day', day.from, zone) !== day.to) wrong.push(day.to);
      const next = localDayOf(day.to, zone);
      if (next.from !== day.to) wrong.push(day.to);
      day = next;
    }
    expect(wrong).toEqual([]);
    expect([23, 23.5, 24, 24.5, 25]).toEqual(expect.arrayContaining([...lengths]));
  });

  it.each(ZONES)('begins the days of %s where luxon does, where luxon is sure', (zone) => {
    const wrong = [];
    for (let noon = at('2008-01-01T12:00:00Z'); noon < at('2026-01-01T00:00:00Z'); noon += 24 * HOUR) {
      const { from } = localDayOf(noon, zone);
      const byLuxon = DateTime.fromMillis(noon, { zone }).startOf('day').toMillis();
      // Where midnight comes twice, luxon takes the second at noon, and the first in the hour between.
      if (from !== byLuxon && byLuxon - from !== HOUR) wrong.push(noon);
    }
    expect(wrong).toEqual([]);
  });

  it('knows days of 23, 23½, 24½ and 25 hours', () => {
    expect(hoursOfDay('2026-03-29T12:00:00Z', 'Europe/Berlin')).toBe(23);
    expect(hoursOfDay('2026-10-25T12:00:00Z', 'Europe/Berlin')).toBe(25);
    expect(hoursOfDay('2026-10-03T15:00:00Z', 'Australia/Lord_Howe')).toBe(23.5);
    expect(hoursOfDay('2026-04-04T15:00:00Z', 'Australia/Lord_Howe')).toBe(24.5);
  });

  it('has one day where midnight comes twice, and none where a day was left out', () => {
    const first = localDayOf(at('2025-11-02T04:30:00Z'), 'America/Havana');
    expect(localDayOf(at('2025-11-02T05:30:00Z'), 'America/Havana')).toEqual(first);
    expect(first).toEqual({ from: at('2025-11-02T04:00:00Z'), to: at('2025-11-03T05:00:00Z') });
    const before = localDayOf(at('2011-12-30T00:00:00Z'), 'Pacific/Apia');
    expect(nextStart('day', before.from, 'Pacific/Apia')).toBe(at('2011-12-30T10:00:00Z'));
    expect(localIsoTime(before.to, 'Pacific/Apia')).toBe('2011-12-31T00:00:00.000+14:00');
  });

  it.each<[CalendarUnit, string, string, string, string]>([
    [
      'hour',
      'Asia/Kathmandu',
      '2026-05-05T10:20:00Z',
      '2026-05-05T16:00:00.000+05:45',
      '2026-05-05T17:00:00.000+05:45',
    ],
    [
      'hour',
      'Australia/Lord_Howe',
      '2026-10-03T15:45:00Z',
      '2026-10-04T02:30:00.000+11:00',
      '2026-10-04T03:00:00.000+11:00',
    ],
    [
      'day',
      'Asia/Kolkata',
      '2026-05-05T20:00:00Z',
      '2026-05-06T00:00:00.000+05:30',
      '2026-05-07T00:00:00.000+05:30',
    ],
    [
      'week',
      'Europe/Berlin',
      '2026-03-29T12:00:00Z',
      '2026-03-23T00:00:00.000+01:00',
      '2026-03-30T00:00:00.000+02:00',
    ],
    [
      'month',
      'Europe/Berlin',
      '2026-03-29T12:00:00Z',
      '2026-03-01T00:00:00.000+01:00',
      '2026-04-01T00:00:00.000+02:00',
    ],
    [
      'month',
      'America/Sao_Paulo',
      '1969-12-15T12:00:00Z',
      '1969-12-01T00:00:00.000-03:00',
      '1970-01-01T00:00:00.000-03:00',
    ],
  ])('begins %ss in %s', (unit, zone, instant, from, to) => {
    const start = startOf(unit, at(instant), zone);
    expect(localIsoTime(start, zone)).toBe(from);
    expect(localIsoTime(nextStart(unit, start, zone), zone)).toBe(to);
  });

  it.each(ZONES)('cuts the time of %s into hours without a gap or an overlap', (zone) => {
    const wrong = [];
    let start = startOf('hour', at('2025-12-31T00:00:00Z'), zone);
    while (start < at('2027-01-01T00:00:00Z')) {
      const next = nextStart('hour', start, zone);
      for (const now of [start, start + 60_000, next - 60_000]) {
        if (startOf('hour', now, zone) !== start) wrong.push(now);
      }
      start = next;
    }
    expect(wrong).toEqual([]);
  });
});
