import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';

import { Clock, isoTime } from '../platform/clock.js';
import { LOGGER } from '../platform/logging.js';
import { calibrationDueAt, type SensorRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { DeliveryService } from './delivery.service.js';
import type { Classification } from './notifications.dto.js';
import { type Change, type NotificationRow, NotificationsRepository } from './notifications.repository.js';

const HOUR_MS = 3_600_000;
const CAUSE = 'CALIBRATION.DUE';

/** A state that was judged by nothing but the calendar. */
const BODY: Classification = { level: 'advisory', hardLimits: [], perceptron: null };

/** Tells once that a probe is to be calibrated; the reminder is over when it has been. */
@Injectable()
export class CalibrationReminders implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly systems: SystemsService,
    private readonly repository: NotificationsRepository,
    private readonly delivery: DeliveryService,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.round(), HOUR_MS).unref();
    void this.round();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  async round(): Promise<void> {
    try {
      for (const { id } of await this.systems.list()) await this.remind(id);
    } catch (error) {
      this.logger.warn({ err: error }, 'reminders of calibrations wait for another hour');
    }
  }

  private async remind(systemId: string): Promise<void> {
    const now = this.clock.now();
    const sensors = await this.systems.sensors(systemId);
    const isDue = (sensor: SensorRow): boolean => (calibrationDueAt(sensor) ?? Infinity) <= now;
    for (const sensor of sensors.filter((each) => each.calibrated_at !== null)) {
      const told = await this.repository.change(systemId, now, (unresolved) =>
        changeOf(sensor, isDue(sensor), unresolved, systemId, now),
      );
      if (told?.at === now) this.delivery.hurry();
    }
  }
}

function changeOf(
  sensor: SensorRow,
  isDue: boolean,
  unresolved: NotificationRow[],
  systemId: string,
  now: number,
): Change {
  const causes = `${CAUSE}:${sensor.id}`;
  const seen = unresolved.find((row) => row.causes === causes);
  if (!isDue) return { over: seen ? [seen.id] : [] };
  if (seen) return { over: [], seen };
  const message = `${sensor.id} (${sensor.place}) was last calibrated on ${isoTime(sensor.calibrated_at!).slice(0, 10)}, and is due`;
  const news = {
    system_id: systemId,
    level: 'advisory' as const,
    message,
    causes,
    at: now,
    last_seen_at: now,
    acknowledged_at: null,
    resolved_at: null,
    body: JSON.stringify(BODY),
  };
  return { over: [], news };
}
