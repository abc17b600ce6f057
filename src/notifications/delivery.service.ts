import { createHmac } from 'node:crypto';
import { Inject, Injectable, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { Counter } from 'prom-client';
import type { Logger } from 'pino';

import { Clock, isoTime } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { postOutbound } from '../platform/http/outbound.js';
import { LOGGER } from '../platform/logging.js';
import { Metrics } from '../platform/metrics/metrics.js';
import {
  type DeliveryRow,
  type NotificationRow,
  NotificationsRepository,
  type WebhookRow,
} from './notifications.repository.js';

/** After each failure; then it is given up. Together about nine hours. */
export const PAUSES_MS = [1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000, 28_800_000];
const TIMEOUT_MS = 10_000;
const LEASE_MS = 3 * TIMEOUT_MS;
const POLL_MS = 1_000;
const AT_ONCE = 20;

/** Sends what is due to the webhooks, signed, until it arrives or is given up. */
@Injectable()
export class DeliveryService implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private readonly counter: Counter<'outcome'>;

  constructor(
    private readonly repository: NotificationsRepository,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.counter = metrics.counter('webhook_deliveries_total', 'Attempts to deliver to a webhook', [
      'outcome',
    ]);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.hurry(), POLL_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.round;
  }

  /** Sends what is due now; a round at a time. */
  hurry(): void {
    this.round ??= this.sendDue()
      .catch((error: unknown) => this.logger.error({ err: error }, 'deliveries could not be looked up'))
      .finally(() => (this.round = undefined));
  }

  private async sendDue(): Promise<void> {
    const now = this.clock.now();
    const due = await this.repository.claimDue(now, now + LEASE_MS, AT_ONCE);
    await Promise.all(
      due.map(({ delivery, notification, webhook }) => this.send(delivery, notification, webhook)),
    );
  }

  private async send(
    delivery: DeliveryRow,
    notification: NotificationRow,
    webhook: WebhookRow,
  ): Promise<void> {
    const now = this.clock.now();
    const attempts = delivery.attempts + 1;
    const failure = await this.attempt(delivery, notification, webhook, now);
    if (failure === undefined) {
      this.counter.inc({ outcome: 'delivered' });
      await this.repository.settle(delivery.id, {
        status: 'delivered',
        attempts,
        next_attempt_at: now,
        last_error: null,
      });
      return;
    }
    this.counter.inc({ outcome: 'failed' });
    this.logger.warn(
      { webhook: webhook.id, notification: notification.id, attempts, failure },
      'delivery failed',
    );
    const pause = PAUSES_MS[attempts - 1];
    await this.repository.settle(delivery.id, {
      status: pause === undefined ? 'failed' : 'pending',
      attempts,
      next_attempt_at: this.clock.now() + (pause ?? 0),
      last_error: failure,
    });
  }

  /** @returns what went wrong, or nothing. */
  private async attempt(
    delivery: DeliveryRow,
    notification: NotificationRow,
    webhook: WebhookRow,
    now: number,
  ): Promise<string | undefined> {
    const body = JSON.stringify({
      type: 'notification.created',
      timestamp: isoTime(notification.at),
      data: {
        id: notification.id,
        systemId: notification.system_id,
        level: notification.level,
        message: notification.message,
        classification: JSON.parse(notification.body) as unknown,
      },
    });
    const id = `delivery-${delivery.id}`;
    const timestamp = String(Math.floor(now / 1000));
    try {
      const status = await postOutbound({
        url: webhook.url,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'aquaponia',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': sign(webhook.secret, id, timestamp, body),
        },
        body,
        timeoutMs: TIMEOUT_MS,
        mayBePrivate: this.config.webhooksMayBePrivate,
      });
      return status >= 200 && status < 300 ? undefined : `it answered ${status}`;
    } catch (error) {
      return (error as Error).message;
    }
  }
}

/** As Standard Webhooks describes it. */
export function sign(secret: string, id: string, timestamp: string, body: string): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
