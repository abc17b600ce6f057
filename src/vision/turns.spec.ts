import { describe, expect, it } from '@jest/globals';

import { Turns } from './turns.js';

describe('turns', () => {
  it('let so many run at once, in order, and go on after a failure', async () => {
    const turns = new Turns(2);
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const run = (task: number): Promise<void> =>
      turns.inTurn(() => {
        started.push(task);
        return new Promise<void>((resolve, reject) =>
          ends.push(task === 0 ? () => reject(new Error('no')) : resolve),
        );
      });
    const [first, ...others] = [0, 1, 2, 3].map(run);
    expect(started).toEqual([0, 1]);
    ends[0]!();
    await expect(first).rejects.toThrow('no');
    await new Promise(setImmediate);
    expect(started).toEqual([0, 1, 2]);
    ends[1]!();
    await others[0];
    await new Promise(setImmediate);
    expect(started).toEqual([0, 1, 2, 3]);
    for (const end of ends) end();
    await Promise.all(others);
  });
});
