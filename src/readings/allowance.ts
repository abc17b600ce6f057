import { Inject, Injectable } from '@nestjs/common';

import { Clock } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';

/** A device that was away may send this much of its allowance at once. */
const BURST_SECONDS = 60;
const MOST_REMEMBERED = 10_000;

interface Bucket {
  readings: number;
  at: number;
}

/** How many readings a device key may send: a bucket of tokens for each, whatever protocol they come by. */
@Injectable()
export class Allowance {
  private readonly perSecond: number;
  private readonly buckets = new Map<string, Bucket>();

  constructor(
    @Inject(CONFIG) { deviceReadingsPerSecond }: Pick<Config, 'deviceReadingsPerSecond'>,
    private readonly clock: Clock,
  ) {
    this.perSecond = deviceReadingsPerSecond;
  }

  /**
   * Takes readings from the allowance of a key. A batch larger than the whole bucket passes when it is full.
   * @returns 0, or for how long, in milliseconds, the allowance does not reach; nothing is taken then.
   */
  take(keyId: string, readings: number): number {
    if (this.perSecond === 0) return 0;
    const bucket = this.refilled(keyId);
    const missing = Math.min(readings, this.burst) - bucket.readings;
    if (missing > 0) return Math.ceil((missing / this.perSecond) * 1000);
    bucket.readings -= readings;
    return 0;
  }

  private get burst(): number {
    return this.perSecond * BURST_SECONDS;
  }

  private refilled(keyId: string): Bucket {
    const now = this.clock.now();
    const known = this.buckets.get(keyId);
    if (known) {
      // A clock set back gives nothing, and takes nothing away.
      const seconds = Math.max(0, now - known.at) / 1000;
      known.readings = Math.min(this.burst, known.readings + seconds * this.perSecond);
      known.at = now;
      return known;
    }
    if (this.buckets.size >= MOST_REMEMBERED) this.buckets.delete(this.buckets.keys().next().value!);
    const fresh = { readings: this.burst, at: now };
    this.buckets.set(keyId, fresh);
    return fresh;
  }
}
