import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Logger } from 'pino';

import { Clock, isoTime } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { localDayOf } from '../platform/local-time.js';
import { LOGGER } from '../platform/logging.js';
import type { SystemRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { HOUR_MS } from './readings.schema.js';
import { horizonOf, type Retired } from './retention.js';
import { daysBetween } from './rollups.js';
import { type Level, LEVELS } from './series-grid.js';
import { UpkeepRepository } from './upkeep.repository.js';

/** Longer than anybody remembers a system as it was, or is on the way with readings of it. */
const LOOK_EVERY_MS = 6_000;
const RETIRE_EVERY_MS = 3_600_000;
const PAUSE_MS = 20;
const KEPT = 'kept in spite of its age, since roll-ups do not have all of it';

/** Keeps roll-ups of days where a system's days begin, and removes what has come of age. */
@Injectable()
export class UpkeepService implements OnApplicationBootstrap, OnModuleDestroy {
  /** Time zones that were found changed at the last look. */
  private changed = new Map<string, string>();
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly repository: UpkeepRepository,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.running = this.run();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Which roll-ups of days can be relied upon, and since when there are readings. */
  async stateOf(system: SystemRow): Promise<{ days: string | null; retired: Retired }> {
    const [kept, retired] = await Promise.all([
      this.repository.dailyZone(system.id),
      this.repository.retired(),
    ]);
    // Until they are made anew after a change, they are of other days.
    return { days: kept === system.time_zone ? kept : null, retired };
  }

  /**
   * Makes roll-ups anew where days begin elsewhere than they did; at the second look that finds it so, when no reading is
   * on its way any more that was rolled up by the days before.
   */
  async followTimeZones(): Promise<void> {
    const kept = await this.repository.dailyZones();
    const changed = new Map<string, string>();
    for (const { id, timeZone } of await this.systems.list()) {
      if (kept.get(id) === timeZone) continue;
      if (this.changed.get(id) !== timeZone) changed.set(id, timeZone);
      else await this.rebuildDays(id, timeZone);
    }
    this.changed = changed;
  }

  async retire(): Promise<void> {
    const now = this.clock.now();
    const zones = await this.repository.dailyZones();
    for (const level of LEVELS) {
      const horizon = horizonOf(level, this.config.retention, now);
      if (horizon === 0) continue;
      // Said first: charts must not rely on what is being removed.
      await this.repository.retire(level, horizon);
      if (level === 'raw' && (await this.dropMonths(horizon))) continue;
      for (const [systemId, timeZone] of zones) {
        const { sensorsByNumber } = await this.systems.ingestView(systemId);
        for (const number of sensorsByNumber.keys()) {
          await this.retireOf(level, number, horizon, timeZone);
        }
      }
    }
  }

  private async run(): Promise<void> {
    let retiredAt = -Infinity;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(LOOK_EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.followTimeZones();
        if (this.clock.now() - retiredAt < RETIRE_EVERY_MS) continue;
        retiredAt = this.clock.now();
        await this.retire();
      } catch (error) {
        if (!signal.aborted)
          this.logger.error({ err: error }, 'the upkeep of readings failed; it tries again');
      }
    }
  }

  private async rebuildDays(systemId: string, timeZone: string): Promise<void> {
    const retired = await this.repository.retired();
    const { sensorsByNumber } = await this.systems.ingestView(systemId);
    for (const number of sensorsByNumber.keys()) {
      this.stopping.signal.throwIfAborted();
      const hours = await this.repository.hoursOf(number);
      if (!hours) continue;
      const days = daysBetween(hours.first, hours.last + HOUR_MS - 1, timeZone, retired);
      if (days.length > 0) {
        // Of what lies before, nothing finer is left: it stays as it was.
        await this.repository.replaceDays(number, retired.hourly === 0 ? 0 : days[0]!.at, days);
      }
    }
    await this.repository.keepDailyZone(systemId, timeZone);
    this.logger.info({ systemId, timeZone }, 'roll-ups of days follow the time zone');
  }

  /** Bit by bit; what is not in the roll-ups above it stays. */
  private async retireOf(level: Level, number: number, horizon: number, timeZone: string): Promise<void> {
    for (;;) {
      this.stopping.signal.throwIfAborted();
      const oldest = await this.repository.oldest(level, number, horizon);
      if (!oldest) return;
      if (!(await this.isRolledUp(level, number, oldest, timeZone))) {
        const { from, to } = oldest;
        this.logger.error({ sensor: number, level, from: isoTime(from), to: isoTime(to) }, KEPT);
        return;
      }
      await this.repository.remove(level, number, oldest.from, oldest.to);
      await pause(PAUSE_MS);
    }
  }

  private async isRolledUp(
    level: Level,
    number: number,
    { from, to }: { from: number; to: number },
    timeZone: string,
  ): Promise<boolean> {
    if (level === 'daily') return true;
    const readings = await this.repository.readingsIn(level, number, from, to);
    const firstDay = localDayOf(from, timeZone).from;
    // Days at either end have more readings than these.
    if ((await this.repository.readingsIn('daily', number, firstDay, to)) < readings) return false;
    return level === 'hourly' || (await this.repository.readingsIn('hourly', number, from, to)) === readings;
  }

  /** @returns false where readings are not kept by month. */
  private async dropMonths(horizon: number): Promise<boolean> {
    const months = await this.repository.monthsBefore(horizon);
    for (const month of months ?? []) {
      const amiss = await this.repository.sensorsAmiss(month);
      if (amiss.length === 0) await this.repository.dropMonth(month.name);
      else this.logger.error({ month: month.name, sensors: amiss }, KEPT);
    }
    return months !== undefined;
  }
}
