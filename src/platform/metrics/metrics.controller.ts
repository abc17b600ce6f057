import { Controller, Get, Header, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';

import { Public } from '../auth/access.js';
import { Metrics } from './metrics.js';

@ApiTags('health')
@Controller({ path: 'metrics', version: VERSION_NEUTRAL })
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  /** Figures for Prometheus; names and counts only, so it is public, as scrapers expect. */
  @Get()
  @Public()
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiProduces('text/plain')
  @ApiOkResponse({
    schema: { type: 'string', example: 'aquaponia_readings_total{outcome="stored"} 42' },
  })
  read(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}
