/** A clock that is off by more than this is called wrong. */
export const WRONG_BY_MS = 30_000;

const PERIOD_MS = 5 * 60_000;
/** An hour of them. */
const PERIODS = 12;
/** In as many periods must a clock have been behind by about the same, to be told from back-fill. */
const STEADY_PERIODS = 3;

/**
 * How far the clock of a device is off, by what its messages say of when they were measured. Nothing is measured after
 * it arrives, so that the newest time that a message names is the device's now less the way: the greatest difference
 * within the last hour is the estimate. Back-fill names old times alone, and looks like a clock that is behind; but it
 * catches up, and such a clock does not.
 */
export class ClockSkew {
  /** The greatest difference within each period that had any, oldest first. */
  private readonly periods: { period: number; skewMs: number }[] = [];

  add(arrivedAt: number, observedAt: number): void {
    const period = Math.floor(arrivedAt / PERIOD_MS);
    const skewMs = observedAt - arrivedAt;
    const last = this.periods.at(-1);
    // Our own clock may be set back: what it calls now counts.
    if (last && last.period >= period) last.skewMs = Math.max(last.skewMs, skewMs);
    else this.periods.push({ period, skewMs });
    if (this.periods.length > PERIODS) this.periods.shift();
  }

  /** In milliseconds, positive where the clock is ahead; undefined where nothing can be said. */
  estimate(now: number): number | undefined {
    const oldest = Math.floor(now / PERIOD_MS) - PERIODS;
    const recent = this.periods.filter(({ period }) => period > oldest).map(({ skewMs }) => skewMs);
    if (recent.length === 0) return undefined;
    const greatest = Math.max(...recent);
    return greatest >= -WRONG_BY_MS || isSteady(recent) ? greatest : undefined;
  }
}

function isSteady(skews: number[]): boolean {
  const last = skews.slice(-STEADY_PERIODS);
  return last.length === STEADY_PERIODS && Math.max(...last) - Math.min(...last) < WRONG_BY_MS;
}

export const isWrong = (skewMs: number): boolean => Math.abs(skewMs) > WRONG_BY_MS;
