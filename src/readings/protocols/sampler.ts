/** Lets a few through in each period for each key: what one flooding device could repeat a thousand times a second. */
export class Sampler {
  private counts = new Map<string, number>();
  private periodEndsAt = 0;

  constructor(
    private readonly most: number,
    private readonly periodMs: number,
    private readonly now: () => number,
  ) {}

  lets(key: string): boolean {
    const now = this.now();
    if (now >= this.periodEndsAt || now < this.periodEndsAt - this.periodMs) {
      this.counts = new Map();
      this.periodEndsAt = now + this.periodMs;
    }
    const count = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, count);
    return count <= this.most;
  }
}
