import type { SensorRow, SystemRow } from './systems.repository.js';

/** What must be known of a system to take its readings. */
export interface SystemView {
  system: SystemRow;
  /** By their ids, in the order in which they were made. */
  sensors: ReadonlyMap<string, SensorRow>;
  sensorsByNumber: ReadonlyMap<number, SensorRow>;
}

/** Another replica hears of a change within this time; this one at once. */
export const REMEMBERED_MS = 5_000;
const MOST_REMEMBERED = 1_000;

/** Views of systems, so that a busy device does not cost a query a request. */
export class SystemViews {
  private readonly known = new Map<string, { view: SystemView; until: number }>();
  private readonly loading = new Map<string, Promise<SystemView>>();

  constructor(
    private readonly load: (systemId: string) => Promise<SystemView>,
    private readonly now: () => number,
  ) {}

  /** At once where it is known: a promise would cost more than the look. */
  get(systemId: string): SystemView | Promise<SystemView> {
    const found = this.known.get(systemId);
    const wait = found === undefined ? 0 : found.until - this.now();
    // A clock that was set back must not make it immortal.
    if (found && wait > 0 && wait <= REMEMBERED_MS) return found.view;
    return this.loading.get(systemId) ?? this.fetch(systemId);
  }

  forget(systemId: string): void {
    this.known.delete(systemId);
    // What is under way may have been read before the change.
    this.loading.delete(systemId);
  }

  private fetch(systemId: string): Promise<SystemView> {
    const until = this.now() + REMEMBERED_MS;
    const fetched = this.load(systemId)
      .then((view) => {
        if (this.loading.get(systemId) === fetched) {
          if (this.known.size >= MOST_REMEMBERED) this.known.clear();
          this.known.set(systemId, { view, until });
        }
        return view;
      })
      .finally(() => {
        if (this.loading.get(systemId) === fetched) this.loading.delete(systemId);
      });
    this.loading.set(systemId, fetched);
    return fetched;
  }
}
