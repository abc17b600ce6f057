import { createHash } from 'node:crypto';

import { rowsOf } from './file.ts';
import { Obstacle } from './obstacle.ts';
import { type DateOrder, placeTime, readTime, type WrittenTime, type Zone } from './times.ts';

/** What must be known of a whole file before its first row can be posted. */
export interface Survey {
  bytes: number;
  /** SHA-256, in hexadecimal. */
  digest: string;
  rows: number;
  order: DateOrder;
  /** Why day and month are read in that order; null where no date leaves it open. */
  orderBecause: string | null;
  /** How many rows have only this date, by its midnight as if in UTC. */
  rowsPerDate: Map<number, number>;
  /** Rows whose time lies before that of the row above them. */
  backwards: { rows: number; firstLine: number };
}

interface Example {
  line: number;
  text: string;
}

const DAY_MS = 86_400_000;
const ORDERS: DateOrder[] = ['day/month', 'month/day'];
/** As they stand in sentences. */
const SPOKEN: Record<DateOrder, string> = { 'day/month': 'day/month/year', 'month/day': 'month/day/year' };

/** Reads all times in one of the two orders, and watches whether they make sense. */
class Trial {
  readonly rowsPerDate = new Map<number, number>();
  readonly backwards = { rows: 0, firstLine: 0 };
  /** A date that exists in this order and not in the other. */
  proof: Example | undefined;
  private newest = -Infinity;

  private readonly order: DateOrder;
  private readonly zone: Zone;

  constructor(order: DateOrder, zone: Zone) {
    this.order = order;
    this.zone = zone;
  }

  /** @returns whether the time exists in this order. */
  take(written: WrittenTime, line: number): boolean {
    const placed = placeTime(written, this.order, this.zone);
    if (!placed) return false;
    const earliest = placed.kind === 'date' ? this.zone(placed.midnight) : placed.at;
    const latest = placed.kind === 'date' ? earliest + DAY_MS - 1 : earliest;
    if (placed.kind === 'date')
      this.rowsPerDate.set(placed.midnight, (this.rowsPerDate.get(placed.midnight) ?? 0) + 1);
    if (latest < this.newest) {
      this.backwards.rows += 1;
      this.backwards.firstLine ||= line;
    }
    this.newest = earliest;
    return true;
  }
}

/**
 * Reads the file once, in constant memory apart from a counter for each date.
 * @param given the order of day and month that the person stated.
 * @throws Obstacle where no time can be read, a zone is not known, or the file leaves the order open.
 */
export async function survey(
  path: string,
  timeIndex: number,
  zone: Zone,
  given?: DateOrder,
): Promise<Survey> {
  const hash = createHash('sha256');
  let bytes = 0;
  const watch = (chunk: Buffer): void => {
    hash.update(chunk);
    bytes += chunk.length;
  };
  const trials = ORDERS.map((order) => new Trial(order, zone)) as [Trial, Trial];
  let rows = -1;
  let readable = 0;
  let isOpen = false;
  let unreadable: Example | undefined;
  for await (const { cells, line } of rowsOf(path, { watch })) {
    rows += 1;
    if (rows === 0) continue;
    const text = (cells[timeIndex] ?? '').trim();
    const written = readTime(text);
    const exists = written ? trials.map((trial) => trial.take(written, line)) : [false, false];
    if (exists.includes(true)) readable += 1;
    else unreadable ??= { line, text };
    if (exists[0] && !exists[1]) trials[0].proof ??= { line, text };
    if (exists[1] && !exists[0]) trials[1].proof ??= { line, text };
    isOpen ||=
      written?.kind === 'calendar' && !written.isYearFirst && written.numbers[0] !== written.numbers[1];
  }
  if (rows < 1) throw new Obstacle(`${path} has no rows below its first line.`);
  if (readable === 0) {
    throw new Obstacle(
      `No row has a time that can be read: line ${unreadable!.line} has "${unreadable!.text}".`,
    );
  }
  const { order, because } = given ? { order: given, because: 'you said so' } : decideOrder(trials, isOpen);
  const { rowsPerDate, backwards } = trials[ORDERS.indexOf(order)]!;
  const orderBecause = isOpen ? because : null;
  return { bytes, digest: hash.digest('hex'), rows, order, orderBecause, rowsPerDate, backwards };
}

/** A date without a reading in the other order decides; failing that, the only order in which no row runs back in time. */
function decideOrder(trials: [Trial, Trial], isOpen: boolean): { order: DateOrder; because: string } {
  const [first, second] = trials;
  if (!isOpen) return { order: 'day/month', because: '' };
  const ask = 'say which it is with --dates day/month or --dates month/day.';
  if (first.proof && second.proof) {
    const [one, other] = [first.proof, second.proof];
    throw new Obstacle(
      `The dates contradict one another ("${one.text}" on line ${one.line}, "${other.text}" on line ${other.line}): ${ask}`,
    );
  }
  for (const [index, { proof }] of trials.entries()) {
    if (proof) return { order: ORDERS[index]!, because: `line ${proof.line} has "${proof.text}"` };
  }
  const [forward, ...others] = ORDERS.filter((_, index) => trials[index]!.backwards.rows === 0);
  if (forward === undefined || others.length > 0) {
    throw new Obstacle(`The dates may be ${Object.values(SPOKEN).join(' or ')}: ${ask}`);
  }
  return { order: forward, because: 'the other way, time would run backwards from row to row' };
}

export const spoken = (order: DateOrder): string => SPOKEN[order];
