const MOST_REMEMBERED = 10_000;

/** How often someone may try: some times at once, and once more after each pause. */
export class Attempts {
  /** When each will have all attempts in hand again. */
  private readonly fullAt = new Map<string, number>();

  constructor(
    private readonly atOnce: number,
    private readonly pauseMs: number,
  ) {}

  /** @returns 0, or for how long, in milliseconds, there is none in hand; nothing is taken then. */
  take(who: string, now: number): number {
    const horizon = this.atOnce * this.pauseMs;
    const known = this.fullAt.get(who) ?? 0;
    // A clock that was set back locks nobody out for longer than that.
    const fullAt = Math.min(Math.max(known, now), now + horizon);
    const wait = fullAt + this.pauseMs - (now + horizon);
    this.fullAt.delete(who);
    if (this.fullAt.size >= MOST_REMEMBERED) this.fullAt.delete(this.fullAt.keys().next().value!);
    this.fullAt.set(who, wait > 0 ? fullAt : fullAt + this.pauseMs);
    return Math.max(0, wait);
  }

  giveBack(who: string): void {
    const fullAt = this.fullAt.get(who);
    if (fullAt !== undefined) this.fullAt.set(who, fullAt - this.pauseMs);
  }
}
