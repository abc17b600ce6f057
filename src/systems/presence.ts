import { factsOf } from './quantities.js';
import { type SensorRow, staleAfterMsOf } from './systems.repository.js';

/** A device that reports nothing of its own is missed after this. */
const WITHOUT_SENSORS_MS = 10 * 60_000;
/** How long another replica may keep to itself that it has heard a device: twice the time between its notes. */
const GRACE_MS = 60_000;

/** How long a device may be silent: until the first of its readings is stale. */
export function mayBeSilentForMs(sensors: Iterable<SensorRow>): number {
  const stale = Array.from(sensors)
    .filter(({ quantity }) => !factsOf(quantity).isDerived)
    .map(staleAfterMsOf);
  return stale.length > 0 ? Math.min(...stale) : WITHOUT_SENSORS_MS;
}

/**
 * Who was last heard before this has fallen silent; undefined while nobody has: a service that has just started could
 * not hear anyone before.
 */
export function silentBefore(mayBeSilent: number, startedAt: number, now: number): number | undefined {
  const before = now - mayBeSilent - GRACE_MS;
  return startedAt <= before ? before : undefined;
}
