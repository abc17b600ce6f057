import { describe, expect, it } from '@jest/globals';

import { CommitQueue, INGEST_BUSY } from './commit-queue.js';
import type { Batch, Commit } from './flush.js';

const batchOf = (...sensors: number[]): Batch => ({
  sensors: Int32Array.from(sensors),
  times: Float64Array.from(sensors, () => 1),
  raws: Float64Array.from(sensors),
});

/** Answers with the sensors' numbers as reasons, so that everybody can see whose part came back. */
function storeOf(group: Batch): Commit {
  const size = group.sensors.length;
  const [outcomes, qualities] = [new Uint8Array(size), new Uint8Array(size)];
  return { outcomes, qualities, reasons: Int32Array.from(group.sensors), sensors: [], receivedAt: 7 };
}

describe('group commit', () => {
  it('gives everybody the part of the commit that is theirs', async () => {
    const groups: number[] = [];
    const queue = new CommitQueue((group) => {
      groups.push(group.sensors.length);
      return Promise.resolve(storeOf(group));
    });
    const commits = await Promise.all(
      [[1], [2, 3], [], [4]].map((sensors) => queue.commit(batchOf(...sensors))),
    );
    expect(commits.map(({ reasons }) => [...reasons])).toEqual([[1], [2, 3], [], [4]]);
    expect(groups).toEqual([4]);
  });

  it('lets those who come during a commit share the next ones', async () => {
    const groups: number[] = [];
    const ends: (() => void)[] = [];
    const queue = new CommitQueue(async (group) => {
      groups.push(group.sensors.length);
      await new Promise<void>((resolve) => ends.push(resolve));
      return storeOf(group);
    });
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const all = [queue.commit(batchOf(1))];
    await turn();
    all.push(queue.commit(batchOf(2)));
    await turn();
    for (let sensor = 3; sensor < 10; sensor++) all.push(queue.commit(batchOf(sensor)));
    await turn();
    expect(groups).toEqual([1, 1]);
    ends.shift()!();
    await turn();
    await turn();
    expect(groups).toEqual([1, 1, 7]);
    ends.forEach((end) => end());
    expect((await Promise.all(all)).map(({ reasons }) => reasons[0])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await queue.drained();
  });

  it('tells a failure to all of the group, and goes on', async () => {
    let fails = true;
    const queue = new CommitQueue((group) =>
      fails ? Promise.reject(new Error('the disk is full')) : Promise.resolve(storeOf(group)),
    );
    const both = await Promise.allSettled([queue.commit(batchOf(1)), queue.commit(batchOf(2))]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect([...(await queue.commit(batchOf(3))).reasons]).toEqual([3]);
    await queue.drained();
  });

  it('refuses what would not fit in memory, and takes it again when there is room', async () => {
    const ends: (() => void)[] = [];
    const queue = new CommitQueue(async (group) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      return storeOf(group);
    });
    const large = (): Batch => ({
      sensors: new Int32Array(200_000),
      times: new Float64Array(200_000),
      raws: new Float64Array(200_000),
    });
    const first = queue.commit(large());
    const second = queue.commit(large());
    expect(() => queue.commit(large())).toThrow(INGEST_BUSY.code);
    const wait = setInterval(() => ends.splice(0).forEach((end) => end()), 1);
    await Promise.all([first, second]);
    await queue.commit(large());
    clearInterval(wait);
  });
});
