import { ProblemType } from '../platform/http/problem.js';
import { type Batch, type Commit, emptyBatch } from './flush.js';

export const INGEST_BUSY = new ProblemType(
  'INGEST.BUSY',
  503,
  'More readings are waiting to be stored than fit in memory; nothing of this batch is stored',
);

/** What goes into one transaction at most: a flush must not hold up those after it for long. */
const MOST_IN_A_COMMIT = 20_000;
/** What may wait in memory: some ten seconds of full load. */
const MOST_WAITING = 500_000;
/** While one commits, the next is on its way to it. */
const MOST_UNDER_WAY = 2;

interface Waiting {
  batch: Batch;
  resolve: (commit: Commit) => void;
  reject: (error: unknown) => void;
}

/**
 * Group commit: batches that arrive while one is being made durable share the next transaction, so that a thousand
 * devices with one reading each cost a few syncs of the disk, not a thousand. A lone batch waits for nobody.
 */
export class CommitQueue {
  private waiting: Waiting[] = [];
  private rowsWaiting = 0;
  private underWay = 0;
  private isScheduled = false;
  private whenEmpty: () => void = () => undefined;

  constructor(private readonly flush: (group: Batch) => Promise<Commit>) {}

  /** Resolves when the batch is durable. @throws INGEST_BUSY, and whatever the flush of its group throws. */
  commit(batch: Batch): Promise<Commit> {
    if (this.rowsWaiting + batch.times.length > MOST_WAITING) {
      throw INGEST_BUSY.happened({ headers: { 'retry-after': '2' } });
    }
    this.rowsWaiting += batch.times.length;
    return new Promise((resolve, reject) => {
      this.waiting.push({ batch, resolve, reject });
      this.schedule();
    });
  }

  /** Resolves when nothing waits and nothing is under way. */
  drained(): Promise<void> {
    if (this.underWay === 0 && this.waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => (this.whenEmpty = resolve));
  }

  /** Whatever else arrives in this turn of the event loop joins. */
  private schedule(): void {
    if (this.isScheduled || this.underWay >= MOST_UNDER_WAY || this.waiting.length === 0) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      void this.commitGroup(this.takeGroup());
    });
  }

  private async commitGroup(group: Waiting[]): Promise<void> {
    this.underWay += 1;
    this.schedule();
    try {
      const commit = await this.flush(joined(group));
      let start = 0;
      for (const { batch, resolve } of group) {
        resolve(group.length === 1 ? commit : partOf(commit, start, (start += batch.times.length)));
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    this.underWay -= 1;
    if (this.underWay === 0 && this.waiting.length === 0) this.whenEmpty();
    this.schedule();
  }

  private takeGroup(): Waiting[] {
    let rows = 0;
    let count = 0;
    while (count < this.waiting.length) {
      const size = this.waiting[count]!.batch.times.length;
      if (count > 0 && rows + size > MOST_IN_A_COMMIT) break;
      rows += size;
      count += 1;
    }
    this.rowsWaiting -= rows;
    return this.waiting.splice(0, count);
  }
}

function joined(group: Waiting[]): Batch {
  if (group.length === 1) return group[0]!.batch;
  const all = emptyBatch(group.reduce((size, { batch }) => size + batch.times.length, 0));
  let start = 0;
  for (const { batch } of group) {
    all.sensors.set(batch.sensors, start);
    all.times.set(batch.times, start);
    all.raws.set(batch.raws, start);
    start += batch.times.length;
  }
  return all;
}

const partOf = (commit: Commit, from: number, to: number): Commit => ({
  ...commit,
  outcomes: commit.outcomes.subarray(from, to),
  qualities: commit.qualities.subarray(from, to),
  reasons: commit.reasons.subarray(from, to),
});
