import { hostname } from 'node:os';
import { Controller, Get, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiOkResponse, ApiServiceUnavailableResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { Public } from '../auth/access.js';
import { Liveness, Readiness } from './health.dto.js';
import { HealthRegistry } from './health.registry.js';

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
