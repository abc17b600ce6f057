import { SCRIPT_BUSY, SCRIPT_DEADLINE } from '../brain/brain.problems.js';
import type { PoolConfig } from '../platform/config.js';

/**
 * Lets as many tasks run at once as the pool that they lead to has workers; the others wait, in the order in which they
 * came. What waits here holds as much as what waits there, so the bounds of the pool are those of the waiting too.
 */
export class Turns {
  private readonly waiting: (() => void)[] = [];
  private free: number;

  constructor(private readonly bounds: Pick<PoolConfig, 'workers' | 'queueLength' | 'deadlineMs'>) {
    this.free = bounds.workers;
  }

  /** The task is told how much of the deadline the wait has left it. @throws SCRIPT_BUSY, SCRIPT_DEADLINE */
  async inTurn<T>(task: (leftMs: number) => Promise<T>): Promise<T> {
    const end = performance.now() + this.bounds.deadlineMs;
    if (this.free > 0) this.free -= 1;
    else await this.turn();
    try {
      return await task(end - performance.now());
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }

  private turn(): Promise<void> {
    const { queueLength, deadlineMs } = this.bounds;
    if (this.waiting.length >= queueLength) throw SCRIPT_BUSY.happened({ headers: { 'retry-after': '1' } });
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(begin), 1);
        reject(SCRIPT_DEADLINE.happened(`Its turn did not come within ${deadlineMs} ms`));
      }, deadlineMs);
      this.waiting.push(begin);
    });
  }
}
