import { DateTime } from 'luxon';

/** The local day of an instant: from its midnight up to the next, 23 to 25 hours. In milliseconds since 1970. */
export function localDayOf(at: number, timeZone: string): { from: number; to: number } {
  const day = DateTime.fromMillis(at, { zone: timeZone }).startOf('day');
  return { from: day.toMillis(), to: day.plus({ days: 1 }).startOf('day').toMillis() };
}
