import { Controller, Get, Headers, Param, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { AllowedFrom } from '../platform/auth/access.js';
import { identifyHolder } from '../platform/auth/auth.guard.js';
import { KeysService } from '../platform/auth/keys.service.js';
import { Problem } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem } from '../systems/systems.controller.js';
import { SystemsService } from '../systems/systems.service.js';
import { LIVE_TOO_MANY, LiveService } from './live.service.js';

@ApiTags('readings')
@Controller('systems/:systemId')
export class LiveController {
  constructor(
    private readonly live: LiveService,
    private readonly systems: SystemsService,
    private readonly keys: KeysService,
  ) {}

  /**
   * Readings as they come, as server-sent events.
   * @remarks `reading` has sensor, quantity, observedAt, value, raw, quality and reasons. `reset` says that some were left
   * out: read the series. Late readings, observed more than 15 minutes before they arrived, are history and do not come
   * here. After a lost connection, send the last id as `Last-Event-ID`: what was missed comes, the last ten seconds
   * again; a reading is known by its sensor and observedAt.
   */
  @Get('live')
  @AllowedFrom('operator')
  @InSystem()
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'The last id that came', example: '' })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ description: 'A stream without end', schema: { type: 'string' } })
  @Fails(LIVE_TOO_MANY)
  async listen(
    @Param('systemId') systemId: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.systems.ingestView(systemId);
    const { keyId } = request.keyHolder!;
    this.live.admit(keyId);
    const response = reply.raw;
    reply.hijack();
    response.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      // nginx would gather what is meant to come at once.
      'x-accel-buffering': 'no',
    });
    if (request.method === 'HEAD') return void response.end();
    const isAllowed = (): Promise<boolean> =>
      identifyHolder(request, this.keys).then(
        () => true,
        (error: unknown) => !(error instanceof Problem),
      );
    const lastId = /^\d{1,15}$/.test(lastEventId ?? '') ? Number(lastEventId) : undefined;
    await this.live.join(systemId, { keyId, isAllowed, response }, lastId).catch(() => response.destroy());
  }
}
