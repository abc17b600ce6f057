import { Obstacle } from './obstacle.ts';

/** How 5/12/2021 is meant: the 5th of December, or the 12th of May. */
export type DateOrder = 'day/month' | 'month/day';

/** Turns what a clock on a wall showed (as milliseconds, as if it hung in UTC) into the instant, in milliseconds. */
export type Zone = (wallMs: number) => number;

/** What the cell of a time says, before a zone and an order of day and month are applied. */
export type WrittenTime =
  | { kind: 'instant'; at: number }
  | {
      kind: 'calendar';
      numbers: [number, number, number];
      isYearFirst: boolean;
      /** Since midnight; null where the cell has only a date. */
      clockMs: number | null;
      /** As written; null where there is none. */
      zone: string | null;
    };

/** A row's time: an instant in milliseconds, or only a date: its midnight, as if in UTC. */
export type PlacedTime = { kind: 'instant'; at: number } | { kind: 'date'; midnight: number };

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** Where the clocks are changed, a day has as little as this. */
const SHORTEST_DAY_MS = 23 * HOUR_MS;

const DATE =
  /(?:(?<year>\d{4})[-/.](?<second>\d{1,2})[-/.](?<third>\d{1,2})|(?<a>\d{1,2})[-/.](?<b>\d{1,2})[-/.](?<c>\d{4}))/;
const CLOCK =
  /(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<seconds>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?(?:\s*(?<half>[AP]M))?/;
const ZONE = /(?<zone>Z|[A-Z]{2,5}|[+-]\d{2}(?::?\d{2})?)/;
const TIME = new RegExp(`^${DATE.source}(?:[T\\s]\\s*${CLOCK.source}(?:\\s*${ZONE.source})?)?$`, 'i');
const EPOCH_SECONDS = /^\d{10}$/;
const EPOCH_MS = /^\d{13}$/;

/** Abbreviations that mean one offset, all over the world. In minutes. */
const OFFSETS: Record<string, number> = {
  Z: 0, UTC: 0, GMT: 0, WET: 0, WEST: 60, CET: 60, WAT: 60, CEST: 120, EET: 120, CAT: 120, SAST: 120, EEST: 180,
  EAT: 180, NZST: 720, NZDT: 780, JST: 540, AEST: 600, AEDT: 660, EST: -300, EDT: -240, MDT: -360, PST: -480, PDT: -420,
}; // prettier-ignore

/** @returns undefined where the text is no time. */
export function readTime(text: string): WrittenTime | undefined {
  const trimmed = text.trim();
  if (EPOCH_SECONDS.test(trimmed)) return { kind: 'instant', at: Number(trimmed) * SECOND_MS };
  if (EPOCH_MS.test(trimmed)) return { kind: 'instant', at: Number(trimmed) };
  const found = TIME.exec(trimmed)?.groups;
  if (!found) return undefined;
  const isYearFirst = found.year !== undefined;
  const [one, two, three] = isYearFirst
    ? [found.year, found.second, found.third]
    : [found.a, found.b, found.c];
  const clockMs = found.hour === undefined ? null : readClock(found);
  if (clockMs === undefined) return undefined;
  const numbers: [number, number, number] = [Number(one), Number(two), Number(three)];
  return { kind: 'calendar', numbers, isYearFirst, clockMs, zone: found.zone ?? null };
}

function readClock({
  hour,
  minute,
  seconds,
  fraction,
  half,
}: Record<string, string | undefined>): number | undefined {
  const parts = [Number(hour), Number(minute), Number(seconds ?? 0)] as const;
  const ofHalf = half === undefined ? parts[0] : (parts[0] % 12) + (half.toUpperCase() === 'PM' ? 12 : 0);
  const isPossible =
    ofHalf < 24 &&
    parts[1] < 60 &&
    parts[2] < 60 &&
    (half === undefined || (parts[0] >= 1 && parts[0] <= 12));
  if (!isPossible) return undefined;
  const milliseconds = Number((fraction ?? '').padEnd(3, '0').slice(0, 3));
  return ofHalf * HOUR_MS + parts[1] * MINUTE_MS + parts[2] * SECOND_MS + milliseconds;
}

/**
 * @param zone of times that name none.
 * @returns undefined where the calendar has no such day. @throws Obstacle where the time names a zone that is not one.
 */
export function placeTime(written: WrittenTime, order: DateOrder, zone: Zone): PlacedTime | undefined {
  if (written.kind === 'instant') return written;
  const midnight = midnightOf(written.numbers, written.isYearFirst ? 'year' : order);
  if (midnight === undefined) return undefined;
  if (written.clockMs === null) return { kind: 'date', midnight };
  const own = written.zone === null ? zone : zoneNamed(written.zone);
  return { kind: 'instant', at: own(midnight + written.clockMs) };
}

function midnightOf(
  [one, two, three]: [number, number, number],
  order: DateOrder | 'year',
): number | undefined {
  const [year, month, day] = {
    year: [one, two, three],
    'day/month': [three, two, one],
    'month/day': [three, one, two],
  }[order] as [number, number, number];
  const midnight = new Date(Date.UTC(year, month - 1, day));
  const exists = midnight.getUTCMonth() === month - 1 && midnight.getUTCDate() === day;
  return exists ? midnight.getTime() : undefined;
}

/**
 * @param name an abbreviation that means one offset (CET is +01:00 all year), an offset, or a place such as
 * Europe/Berlin, whose clocks are changed. @throws Obstacle for anything else.
 */
export function zoneNamed(name: string): Zone {
  const offset = /^([+-])(\d{2}):?(\d{2})?$/.exec(name);
  const minutes = offset
    ? Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0))
    : OFFSETS[name.toUpperCase()];
  const zone = minutes === undefined ? zoneOfPlace(name) : (wallMs: number) => wallMs - minutes * MINUTE_MS;
  if (zone) return zone;
  throw new Obstacle(
    `"${name}" does not name one zone: write an offset such as +01:00, a place such as Europe/Berlin, UTC, or one of ${Object.keys(OFFSETS).slice(1).join(', ')}.`,
  );
}

function zoneOfPlace(name: string): Zone | undefined {
  if (!name.includes('/')) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    const numeric = 'numeric';
    const parts = {
      year: numeric,
      month: numeric,
      day: numeric,
      hour: numeric,
      minute: numeric,
      second: numeric,
    } as const;
    format = new Intl.DateTimeFormat('en-US', { ...parts, timeZone: name, hourCycle: 'h23' });
  } catch {
    return undefined;
  }
  const offsetAt = (instant: number): number => {
    const shown = Object.fromEntries(
      format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]),
    );
    const { year, month, day, hour, minute, second } = shown as Record<string, number>;
    const wallMs = Date.UTC(year!, month! - 1, day, hour, minute, second);
    return wallMs - Math.floor(instant / SECOND_MS) * SECOND_MS;
  };
  // The offset belongs to the instant that is sought: the first guess is off by an hour only near a change of clocks.
  return (wallMs) => wallMs - offsetAt(wallMs - offsetAt(wallMs));
}

/**
 * Gives the rows of one date instants of their own: all that is known of them is their order in the file. A second
 * apart from midnight on, so that a file that grew at its end gives its old rows the same instants again; closer where
 * a day has not as many seconds. Rows must be asked for from the first row of the file on.
 */
export class DateRanks {
  private readonly seen = new Map<number, number>();
  private readonly rowsPerDate: ReadonlyMap<number, number>;
  private readonly zone: Zone;

  /** @param rowsPerDate how many rows of the file have only this date, by its midnight. */
  constructor(rowsPerDate: ReadonlyMap<number, number>, zone: Zone) {
    this.rowsPerDate = rowsPerDate;
    this.zone = zone;
  }

  /** @returns the instant of the next row that has only this date. */
  next(midnight: number): number {
    const rank = this.seen.get(midnight) ?? 0;
    this.seen.set(midnight, rank + 1);
    const spacing = Math.min(SECOND_MS, SHORTEST_DAY_MS / (this.rowsPerDate.get(midnight) ?? 1));
    return this.zone(midnight) + Math.floor(rank * spacing);
  }
}
