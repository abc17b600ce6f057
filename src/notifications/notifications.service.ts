import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Brain } from '../brain/brain.module.js';
import { Clock, isoTime } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { namesPrivateAddress } from '../platform/http/outbound.js';
import type { PageQuery } from '../platform/http/page.js';
import { ProblemType } from '../platform/http/problem.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { unionisedAmmoniaFraction } from '../readings/derived.js';
import { ReadingsService } from '../readings/readings.service.js';
import { rangesFor, type Ranges } from '../systems/profiles.js';
import { SystemsService } from '../systems/systems.service.js';
import { DeliveryService } from './delivery.service.js';
import { AMMONIA_RANGE, breachedLimits } from './hard-limits.js';
import type {
  Classification,
  Classify,
  CreatedWebhook,
  CreateWebhook,
  Delivery,
  Notification,
  SystemClassification,
  Webhook,
} from './notifications.dto.js';
import {
  type DeliveryRow,
  type NotificationRow,
  NotificationsRepository,
  type WebhookRow,
} from './notifications.repository.js';
import {
  type ClassifiedReading,
  type Level,
  LEVELS,
  PERCEPTRON_NOTIFICATIONS,
} from './perceptron-notifications.script.js';

export const NO_READINGS = new ProblemType(
  'NOTIFICATIONS.NO_READINGS',
  409,
  'The system has no reading yet, so its state cannot be told',
);
export const NOTIFICATION_NOT_FOUND = new ProblemType(
  'NOTIFICATION.NOT_FOUND',
  404,
  'The system has no such notification',
);
export const WEBHOOK_NOT_FOUND = new ProblemType('WEBHOOK.NOT_FOUND', 404, 'There is no such webhook');
export const WEBHOOK_TAKEN = new ProblemType('WEBHOOK.TAKEN', 409, 'There is a webhook of this id already');
export const WEBHOOK_PRIVATE = new ProblemType(
  'WEBHOOK.PRIVATE_ADDRESS',
  400,
  'The address is private; AQUAPONIA_WEBHOOKS_MAY_BE_PRIVATE=true allows such',
);

const AMMONIA = 'un-ionised-ammonia';

@Injectable()
export class NotificationsService {
  private readonly counter: Counter<'level'>;

  constructor(
    private readonly brain: Brain,
    private readonly repository: NotificationsRepository,
    private readonly delivery: DeliveryService,
    private readonly readings: ReadingsService,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    metrics: Metrics,
  ) {
    this.counter = metrics.counter('notifications_total', 'Notifications that were made', ['level']);
  }

  /** What a given set of readings says; nothing is stored. */
  classifyGiven({ readings, species, crop }: Classify): Promise<Classification> {
    const given = readings.map(({ quantity, value, quality, ageSeconds, ratePerHour }) => ({
      quantity,
      value,
      quality,
      ageSeconds,
      ratePerHour: ratePerHour ?? null,
    }));
    return this.classify(given, rangesFor(species, crop));
  }

  /** What a system's newest readings say; from a warning on it becomes a notification. */
  async classifySystem(systemId: string): Promise<SystemClassification> {
    const ranges = await this.systems.ranges(systemId);
    const classification = await this.classify(await this.newestReadings(systemId), ranges);
    const notification = await this.notify(systemId, classification);
    return { ...classification, notification };
  }

  async list(systemId: string, page: PageQuery): Promise<Notification[]> {
    await this.systems.find(systemId);
    return this.withDeliveries(await this.repository.list(systemId, page));
  }

  async acknowledge(systemId: string, id: number): Promise<Notification> {
    const row = await this.repository.acknowledge(systemId, id, this.clock.now());
    if (!row) throw NOTIFICATION_NOT_FOUND.happened(`The system "${systemId}" has no notification ${id}`);
    return (await this.withDeliveries([row]))[0]!;
  }

  async createWebhook({ id, url, systemId }: CreateWebhook): Promise<CreatedWebhook> {
    if (!this.config.webhooksMayBePrivate && namesPrivateAddress(url)) throw WEBHOOK_PRIVATE.happened();
    if (systemId) await this.systems.find(systemId);
    const row: WebhookRow = {
      id,
      url,
      system_id: systemId ?? null,
      secret: `whsec_${randomBytes(32).toString('base64')}`,
      created_at: this.clock.now(),
    };
    if (!(await this.repository.insertWebhook(row)))
      throw WEBHOOK_TAKEN.happened(`There is a webhook "${id}" already`);
    return { ...asWebhook(row), secret: row.secret };
  }

  async listWebhooks(): Promise<Webhook[]> {
    return (await this.repository.listWebhooks()).map(asWebhook);
  }

  async deleteWebhook(id: string): Promise<void> {
    if (!(await this.repository.deleteWebhook(id)))
      throw WEBHOOK_NOT_FOUND.happened(`There is no webhook "${id}"`);
  }

  private async classify(given: ClassifiedReading[], profile: Ranges): Promise<Classification> {
    const readings = withAmmonia(given);
    const ranges = { ...profile, [AMMONIA]: AMMONIA_RANGE };
    const { reply: perceptron } = await this.brain.ask(PERCEPTRON_NOTIFICATIONS, { readings, ranges });
    const hardLimits = breachedLimits(readings, ranges);
    return {
      level: worst([perceptron.level, ...hardLimits.map((limit) => limit.level)]),
      hardLimits,
      perceptron,
    };
  }

  private async newestReadings(systemId: string): Promise<ClassifiedReading[]> {
    const { sensors } = await this.readings.status(systemId);
    const rates = await this.readings.ratesPerHour(systemId);
    const readings = sensors
      .filter((status) => status.reading !== null)
      .map(({ sensor, quantity, reading, ageSeconds }) => ({
        quantity,
        value: reading!.value,
        quality: reading!.quality,
        ageSeconds: ageSeconds!,
        ratePerHour: rates.get(sensor) ?? null,
      }));
    if (readings.length === 0) throw NO_READINGS.happened();
    return readings;
  }

  /** One notification for one state: it is seen again, not made again, until it gets worse or has other causes. */
  private async notify(systemId: string, classification: Classification): Promise<Notification | null> {
    const now = this.clock.now();
    const { level } = classification;
    if (severity(level) < severity('warning')) {
      await this.repository.resolveAll(systemId, now);
      return null;
    }
    const causes = causesOf(classification);
    const unresolved = await this.repository.unresolved(systemId);
    const same = unresolved.find(
      (row) =>
        severity(row.level) >= severity(level) &&
        causes.every((cause) => row.causes.split(',').includes(cause)),
    );
    if (same) {
      await this.repository.see(same.id, now);
      return (await this.withDeliveries([{ ...same, last_seen_at: now }]))[0]!;
    }
    const row = await this.repository.insert({
      system_id: systemId,
      level,
      message: messageOf(classification),
      causes: causes.join(','),
      at: now,
      last_seen_at: now,
      acknowledged_at: null,
      resolved_at: null,
      body: JSON.stringify(classification),
    });
    this.counter.inc({ level });
    this.delivery.hurry();
    return (await this.withDeliveries([row]))[0]!;
  }

  private async withDeliveries(rows: NotificationRow[]): Promise<Notification[]> {
    const deliveries = await this.repository.deliveriesOf(rows.map((row) => row.id));
    return rows.map((row) => ({
      id: row.id,
      systemId: row.system_id,
      level: row.level,
      message: row.message,
      at: isoTime(row.at),
      lastSeenAt: isoTime(row.last_seen_at),
      acknowledgedAt: row.acknowledged_at === null ? null : isoTime(row.acknowledged_at),
      resolvedAt: row.resolved_at === null ? null : isoTime(row.resolved_at),
      classification: JSON.parse(row.body) as Classification,
      deliveries: deliveries.filter((delivery) => delivery.notification_id === row.id).map(asDelivery),
    }));
  }
}

const severity = (level: Level): number => LEVELS.indexOf(level);
const worst = (levels: Level[]): Level => levels.reduce((a, b) => (severity(b) > severity(a) ? b : a));

/** The breached limits, or what the perceptron found worst where none is. */
function causesOf({ hardLimits, perceptron }: Classification): string[] {
  const serious = hardLimits.filter((limit) => severity(limit.level) >= severity('warning'));
  if (serious.length > 0) return [...new Set(serious.map((limit) => limit.code))].sort();
  const [first] = perceptron.contributions;
  return [first?.quantity ?? 'state'];
}

function messageOf({ level, hardLimits, perceptron }: Classification): string {
  const limit = hardLimits.find((breached) => breached.level === level);
  return limit?.message ?? perceptron.contributions[0]?.reason ?? `the state is ${level}`;
}

/** Adds un-ionised ammonia where total ammonia, pH and temperature are known and it is not given itself. */
function withAmmonia(readings: ClassifiedReading[]): ClassifiedReading[] {
  const good = (quantity: string): ClassifiedReading | undefined =>
    readings.find(
      (reading) => reading.quantity === quantity && reading.quality === 'good' && reading.value !== null,
    );
  const [total, ph, temperature] = [good('total-ammonia-nitrogen'), good('ph'), good('water-temperature')];
  if (!total || !ph || !temperature || readings.some((reading) => reading.quantity === AMMONIA))
    return readings;
  const ammonia = total.value! * unionisedAmmoniaFraction(temperature.value!, ph.value!);
  const value = Number(ammonia.toPrecision(3));
  const ageSeconds = Math.max(total.ageSeconds, ph.ageSeconds, temperature.ageSeconds);
  return [...readings, { quantity: AMMONIA, value, quality: 'good', ageSeconds, ratePerHour: null }];
}

const asDelivery = (row: DeliveryRow): Delivery => ({
  webhookId: row.webhook_id,
  status: row.status,
  attempts: row.attempts,
  nextAttemptAt: row.status === 'pending' ? isoTime(row.next_attempt_at) : null,
  lastError: row.last_error,
});

const asWebhook = (row: WebhookRow): Webhook => ({
  id: row.id,
  url: row.url,
  systemId: row.system_id,
  createdAt: isoTime(row.created_at),
});
