import { hash } from 'node:crypto';
import {
  applyDecorators,
  Inject,
  Injectable,
  type OnModuleInit,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

import { Clock } from '../../platform/clock.js';
import { ProblemType, REQUEST_INVALID } from '../../platform/http/problem.js';
import { LOGGER } from '../../platform/logging.js';
import { Fails } from '../../platform/openapi/fails.js';
import { Allowance } from '../allowance.js';
import { INGEST_BUSY } from '../commit-queue.js';
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

/** What is said of readings that come by HTTP before they are looked at: whether they may come, and when they came. */
@Injectable()
export class Arrivals implements OnModuleInit, OnApplicationShutdown {
  private cleaning: NodeJS.Timeout | undefined;

  constructor(
    private readonly allowance: Allowance,
    private readonly repository: IngestKeysRepository,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.cleaning = setInterval(() => void this.clean(), HOUR_MS).unref();
    void this.clean();
  }

  onApplicationShutdown(): void {
    clearInterval(this.cleaning);
  }

  /** @throws DEVICE_TOO_FAST where the key has used up its allowance; operators have no limit. */
  admit({ keyHolder }: FastifyRequest, readings: number): void {
    if (keyHolder?.role !== 'device') return;
    const waitMs = this.allowance.take(keyHolder.keyId, readings);
    if (waitMs === 0) return;
    throw DEVICE_TOO_FAST.happened({ headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } });
  }

  /**
   * When the readings of a request arrived: now, or when they came before under the same Idempotency-Key. So the same
   * readings have the same times whenever they are sent again, and the store knows them.
   * @throws REQUEST_INVALID, IDEMPOTENCY_KEY_REUSED
   */
  async timeOf(request: FastifyRequest, systemId: string, body: unknown): Promise<number> {
    const key = request.headers[HEADER.toLowerCase()];
    const now = this.clock.now();
    if (key === undefined) return now;
    if (typeof key !== 'string' || !KEY_FORM.test(key)) {
      const message = `${HEADER} must have 1 to 128 characters of ASCII without spaces`;
      throw REQUEST_INVALID.happened({
        detail: message,
        errors: [{ field: HEADER, code: 'matches', message }],
      });
    }
    const scope = `${request.keyHolder!.keyId}/${systemId}`;
    const body_hash = hash('sha256', typeof body === 'string' ? body : JSON.stringify(body));
    const known = await this.repository.keep({ scope, key, body_hash, arrived_at: now }, now - REMEMBERED_MS);
    if (known.body_hash !== body_hash) throw IDEMPOTENCY_KEY_REUSED.happened();
    return known.arrived_at;
  }

  private async clean(): Promise<void> {
    try {
      await this.repository.forget(this.clock.now() - REMEMBERED_MS);
    } catch (error) {
      this.logger.warn({ err: error }, 'old idempotency keys stay for another hour');
    }
  }
}
