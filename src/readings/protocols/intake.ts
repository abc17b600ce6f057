import { hash } from 'node:crypto';
import {
  applyDecorators,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

import { Clock } from '../../platform/clock.js';
import { ProblemType, REQUEST_INVALID } from '../../platform/http/problem.js';
import { LOGGER } from '../../platform/logging.js';
import { Fails } from '../../platform/openapi/fails.js';
import { DevicesService } from '../../systems/devices.service.js';
import { Allowance } from '../allowance.js';
import { INGEST_BUSY } from '../commit-queue.js';
import type { Item } from '../ingest.js';
import { IngestService } from '../ingest.service.js';
import type { ReadingsStored } from '../readings.dto.js';
import { IngestKeysRepository } from './ingest-keys.repository.js';

export const DEVICE_TOO_FAST = new ProblemType(
  'DEVICE.TOO_FAST',
  429,
  'The device sends more readings than its key allows: send them again after Retry-After seconds',
);
export const IDEMPOTENCY_KEY_REUSED = new ProblemType(
  'IDEMPOTENCY.KEY_REUSED',
  422,
  'This Idempotency-Key came before, with another body',
);

const HEADER = 'Idempotency-Key';
const KEY_FORM = /^[\x21-\x7e]{1,128}$/;
const HOUR_MS = 3_600_000;
const REMEMBERED_MS = 24 * HOUR_MS;

/** What routes that take readings have in common, for Swagger. */
export const TakesReadings = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({
      name: HEADER,
      required: false,
      description:
        'A name of your choice for this body, 1 to 128 characters of ASCII. Sent again with it within a day, readings ' +
        'that name no time count as arrived when they first did, so that none is stored twice.',
    }),
    Fails(DEVICE_TOO_FAST, IDEMPOTENCY_KEY_REUSED, INGEST_BUSY),
  );

interface Body {
  systemId: string;
  /** How many are in it, whatever becomes of them. */
  readings: number;
  /** What a body sent again has in common with the first. */
  content: unknown;
  itemsAt: (arrivedAt: number) => Item[];
}

/** What every protocol over HTTP does with the readings of a request. */
@Injectable()
export class Intake implements OnApplicationBootstrap, OnApplicationShutdown {
  private cleaning: NodeJS.Timeout | undefined;

  constructor(
    private readonly allowance: Allowance,
    private readonly keys: IngestKeysRepository,
    private readonly devices: DevicesService,
    private readonly ingest: IngestService,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.cleaning = setInterval(() => void this.clean(), HOUR_MS).unref();
    void this.clean();
  }

  onApplicationShutdown(): void {
    clearInterval(this.cleaning);
  }

  /** @throws DEVICE_TOO_FAST, IDEMPOTENCY_KEY_REUSED, and whatever the ingest service does */
  async take(
    request: FastifyRequest,
    { systemId, readings, content, itemsAt }: Body,
  ): Promise<ReadingsStored> {
    const { keyId, role, deviceId } = request.keyHolder!;
    const now = this.clock.now();
    if (role === 'device') this.admit(keyId, readings);
    const key = request.headers[HEADER.toLowerCase()];
    const arrivedAt =
      key === undefined ? now : await this.arrivalOf(key, `${keyId}/${systemId}`, content, now);
    const items = itemsAt(arrivedAt);
    if (role === 'device') await this.devices.heard(systemId, deviceId, items, now);
    return this.ingest.ingest(systemId, items, arrivedAt);
  }

  private admit(keyId: string, readings: number): void {
    const waitMs = this.allowance.take(keyId, readings);
    if (waitMs === 0) return;
    throw DEVICE_TOO_FAST.happened({ headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } });
  }

  /**
   * When the readings came first under this key, or now. So the same readings have the same times whenever they are
   * sent again, and the store knows them.
   */
  private async arrivalOf(key: unknown, scope: string, content: unknown, now: number): Promise<number> {
    if (typeof key !== 'string' || !KEY_FORM.test(key)) {
      const message = `${HEADER} must have 1 to 128 characters of ASCII without spaces`;
      throw REQUEST_INVALID.happened({
        detail: message,
        errors: [{ field: HEADER, code: 'matches', message }],
      });
    }
    const body_hash = hash('sha256', typeof content === 'string' ? content : JSON.stringify(content));
    const known = await this.keys.keep({ scope, key, body_hash, arrived_at: now }, now - REMEMBERED_MS);
    if (known.body_hash !== body_hash) throw IDEMPOTENCY_KEY_REUSED.happened();
    return known.arrived_at;
  }

  private async clean(): Promise<void> {
    try {
      await this.keys.forget(this.clock.now() - REMEMBERED_MS);
    } catch (error) {
      this.logger.warn({ err: error }, 'old idempotency keys stay for another hour');
    }
  }
}
