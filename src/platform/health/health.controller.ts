import { hostname } from 'node:os';
import { Controller, Get, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiOkResponse, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { Public } from '../auth/access.js';
import { HealthRegistry } from './health.registry.js';

export class Liveness {
  /** @example alive */
  status: 'alive';

  /**
   * The host that answered.
   * @example aquaponia-1
   */
  host: string;
}

export class Readiness {
  /** @example ready */
  status: 'ready' | 'unready';

  /**
   * The host that answered.
   * @example aquaponia-1
   */
  host: string;

  /**
   * What each part says of itself: the database, each pool of workers, the newest reading.
   * @example { "database": { "ready": true }, "readings": { "ready": true, "newestReadingAgeSeconds": 12 } }
   */
  parts: Record<string, unknown>;
}

@ApiTags('health')
@Controller({ path: 'health', version: VERSION_NEUTRAL })
export class HealthController {
  constructor(private readonly registry: HealthRegistry) {}

  /** The process runs. */
  @Get('live')
  @Public()
  live(): Liveness {
    return { status: 'alive', host: hostname() };
  }

  /** The process can serve: its database answers and each pool has a worker. */
  @Get('ready')
  @Public()
  @ApiOkResponse({ type: Readiness })
  @ApiServiceUnavailableResponse({ type: Readiness, description: 'A part is not ready' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<Readiness> {
    const parts = await this.registry.report();
    const ready = Object.values(parts).every((part) => part.ready);
    if (!ready) void reply.status(503);
    return { status: ready ? 'ready' : 'unready', host: hostname(), parts };
  }
}
