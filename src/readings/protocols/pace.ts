import { setTimeout as pause } from 'node:timers/promises';

import { Problem, ProblemType } from '../../platform/http/problem.js';
import type { Allowance } from '../allowance.js';

const MOST_WAITING = 4_000;

const TOO_MANY_WAITING = new ProblemType('DEVICE.TOO_FAST', 503, 'Too many messages of a device are waiting');

/** Where a device that sends too fast cannot be told so, it is made to wait: by key, one message after the other. */
export class Pace {
  private readonly queues = new Map<string, { last: Promise<void>; length: number }>();

  constructor(private readonly allowance: Allowance) {}

  /** Resolves at once while the allowance lasts. @throws where more are waiting than memory should hold */
  wait(keyId: string, readings: number): Promise<void> | undefined {
    const queue = this.queues.get(keyId);
    if (!queue && this.allowance.take(keyId, readings) === 0) return undefined;
    const { last, length } = queue ?? { last: Promise.resolve(), length: 0 };
    if (length >= MOST_WAITING) throw new Problem(TOO_MANY_WAITING, {});
    const next = { last: last.then(() => this.take(keyId, readings)), length: length + 1 };
    this.queues.set(keyId, next);
    void next.last.then(() => {
      const now = this.queues.get(keyId)!;
      now.length -= 1;
      if (now.length === 0) this.queues.delete(keyId);
    });
    return next.last;
  }

  private async take(keyId: string, readings: number): Promise<void> {
    for (;;) {
      const waitMs = this.allowance.take(keyId, readings);
      if (waitMs === 0) return;
      await pause(waitMs, undefined, { ref: false });
    }
  }
}
