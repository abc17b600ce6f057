import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Counter } from 'prom-client';

import { Brain } from '../brain/brain.module.js';
import { Clock, isoTime } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { namesPrivateAddress } from '../platform/http/outbound.js';
import type { PageQuery } from '../platform/http/page.js';
import { Problem, ProblemType } from '../platform/http/problem.js';
import { LOGGER } from '../platform/logging.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { unionisedAmmoniaFraction } from '../systems/equations.js';
import { ReadingsService } from '../readings/readings.service.js';
import { rangesFor, type Ranges } from '../systems/profiles.js';
import { factsOf, type Quantity } from '../systems/quantities.js';
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
  isUsable,
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
    @Inject(LOGGER) private readonly logger: Logger,
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
      staleAfterSeconds: staleAfterSeconds(quantity),
      ratePerHour: ratePerHour ?? null,
    }));
    return this.classify(withAmmonia(given), rangesFor(species, crop));
  }

  /** What a system's newest readings say; from a warning on it becomes a notification. */
  async classifySystem(systemId: string): Promise<SystemClassification> {
    const ranges = await this.systems.ranges(systemId);
    const readings = await this.newestReadings(systemId);
    const classification = await this.classify(readings, ranges).catch((error: unknown) => {
      throw isAboutUnknownQuantities(error) ? NO_READINGS.happened() : error;
    });
    const notification = await this.notify(systemId, classification, readings);
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

  /** The hard limits come first and need no script: where they say enough, its failure silences nobody. */
  private async classify(readings: ClassifiedReading[], profile: Ranges): Promise<Classification> {
    const ranges = { ...profile, [AMMONIA]: AMMONIA_RANGE };
    const hardLimits = breachedLimits(readings, ranges);
    const limitLevel = worst(['normal', ...hardLimits.map((limit) => limit.level)]);
    try {
      const { reply: perceptron } = await this.brain.ask(PERCEPTRON_NOTIFICATIONS, { readings, ranges });
      return { level: worst([perceptron.level, limitLevel]), hardLimits, perceptron };
    } catch (error) {
      if (!isAlarming(limitLevel)) throw error;
      this.logger.error({ err: error }, 'the perceptron failed; the hard limits speak alone');
      return { level: limitLevel, hardLimits, perceptron: null };
    }
  }

  private async newestReadings(systemId: string): Promise<ClassifiedReading[]> {
    const { sensors, unionisedAmmonia } = await this.readings.status(systemId);
    const rates = await this.readings.ratesPerHour(systemId);
    const readings: ClassifiedReading[] = sensors
      .filter(({ reading, quantity }) => reading !== null && !factsOf(quantity).isDerived)
      .map(({ sensor, quantity, reading, ageSeconds, staleAfterSeconds }) => ({
        quantity,
        value: reading!.value,
        quality: reading!.quality,
        ageSeconds: ageSeconds!,
        staleAfterSeconds,
        ratePerHour: rates.get(sensor) ?? null,
      }));
    if (readings.length === 0) throw NO_READINGS.happened();
    return unionisedAmmonia ? [...readings, freshAmmonia(unionisedAmmonia.value)] : readings;
  }

  /**
   * One notification for one state: it is seen again, not made again, until it gets worse or has other causes. It is
   * over when what caused it is read well again: a probe that has failed since resolves nothing.
   */
  private async notify(
    systemId: string,
    classification: Classification,
    readings: ClassifiedReading[],
  ): Promise<Notification | null> {
    const now = this.clock.now();
    const { level } = classification;
    const causes = isAlarming(level) ? causesOf(classification) : [];
    let isNew = false;
    const row = await this.repository.change(systemId, now, (unresolved) => {
      const over = unresolved.filter((row) => isOver(row, causes, readings)).map((row) => row.id);
      if (causes.length === 0) return { over };
      const seen = unresolved.find(
        (row) =>
          severity(row.level) >= severity(level) &&
          causes.every((cause) => row.causes.split(',').includes(cause)),
      );
      if (seen) return { over, seen };
      isNew = true;
      const news = {
        system_id: systemId,
        level,
        message: messageOf(classification),
        causes: causes.join(','),
        at: now,
        last_seen_at: now,
        acknowledged_at: null,
        resolved_at: null,
        body: JSON.stringify(classification),
      };
      return { over, news };
    });
    if (!row) return null;
    if (isNew) {
      this.counter.inc({ level });
      this.delivery.hurry();
    }
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
const isAlarming = (level: Level): boolean => severity(level) >= severity('warning');

const staleAfterSeconds = (quantity: string): number => factsOf(quantity as Quantity).staleAfterMs / 1000;

/** The breached limits, or what the perceptron found worst where none is. */
function causesOf({ hardLimits, perceptron }: Classification): string[] {
  const serious = hardLimits.filter((limit) => isAlarming(limit.level));
  if (serious.length > 0) return [...new Set(serious.map((limit) => limit.code))].sort();
  return [perceptron?.contributions[0]?.quantity ?? 'state'];
}

/** Whether each quantity that caused it is read, by all of its probes, and causes nothing any more. */
function isOver({ causes }: NotificationRow, now: string[], readings: ClassifiedReading[]): boolean {
  return causes.split(',').every((cause) => {
    const quantity = quantityOf(cause);
    const probes = readings.filter((reading) => reading.quantity === quantity);
    return (
      probes.length > 0 && probes.every(isUsable) && !now.some((other) => quantityOf(other) === quantity)
    );
  });
}

/** A cause is a quantity, or the code of its limit. */
const quantityOf = (cause: string): string => cause.split('.')[0]!.toLowerCase();

function messageOf({ level, hardLimits, perceptron }: Classification): string {
  const limit = hardLimits.find((breached) => breached.level === level);
  return limit?.message ?? perceptron?.contributions[0]?.reason ?? `the state is ${level}`;
}

/** Adds un-ionised ammonia where total ammonia, pH and temperature are known and it is not given itself. */
function withAmmonia(readings: ClassifiedReading[]): ClassifiedReading[] {
  const known = (quantity: Quantity): number | undefined =>
    readings.find((reading) => reading.quantity === quantity && isUsable(reading))?.value ?? undefined;
  const [total, ph, temperature] = [known('total-ammonia-nitrogen'), known('ph'), known('water-temperature')];
  const isGiven = readings.some((reading) => reading.quantity === AMMONIA);
  if (total === undefined || ph === undefined || temperature === undefined || isGiven) return readings;
  return [...readings, freshAmmonia(total * unionisedAmmoniaFraction(temperature, ph))];
}

/** Derived from readings that are all good and fresh. */
const freshAmmonia = (value: number): ClassifiedReading => ({
  quantity: AMMONIA,
  value: Number(value.toPrecision(3)),
  quality: 'good',
  ageSeconds: 0,
  staleAfterSeconds: staleAfterSeconds(AMMONIA),
  ratePerHour: null,
});

/** The system has readings, and none of a quantity that the perceptron judges. */
const isAboutUnknownQuantities = (error: unknown): boolean =>
  error instanceof Problem && error.occurrence.errors?.[0]?.code === 'READINGS.UNKNOWN';

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
