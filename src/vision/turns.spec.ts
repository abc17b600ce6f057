import { describe, expect, it } from '@jest/globals';

import { SCRIPT_BUSY, SCRIPT_DEADLINE } from '../brain/brain.problems.js';
import { Turns } from './turns.js';

const forever = (): Promise<never> => new Promise(() => {});

describe('turns', () => {
  it('let so many run at once, in order, and go on after a failure', async () => {
    const turns = new Turns({ workers: 2, queueLength: 2, deadlineMs: 10_000 });
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

  it('let no more wait than may', async () => {
    const turns = new Turns({ workers: 1, queueLength: 1, deadlineMs: 20 });
    void turns.inTurn(forever);
    const waiting = turns.inTurn(forever);

    await expect(turns.inTurn(forever)).rejects.toMatchObject({
      type: SCRIPT_BUSY,
      occurrence: { headers: { 'retry-after': '1' } },
    });
    await expect(waiting).rejects.toMatchObject({ type: SCRIPT_DEADLINE });
  });

  it('pass over whoever has waited too long, and tell the others what is left', async () => {
    const turns = new Turns({ workers: 1, queueLength: 2, deadlineMs: 200 });
    let end = (): void => {};
    const running = turns.inTurn(() => new Promise<void>((resolve) => (end = resolve)));
    const late = turns.inTurn(forever);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const inTime = turns.inTurn((leftMs) => Promise.resolve(leftMs));
    await expect(late).rejects.toMatchObject({ type: SCRIPT_DEADLINE });
    end();
    await running;

    expect(await inTime).toBeLessThan(150);
    expect(await turns.inTurn((leftMs) => Promise.resolve(leftMs))).toBeGreaterThan(150);
  });
});
