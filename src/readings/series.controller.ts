import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';

import { AllowedFrom } from '../platform/auth/access.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem } from '../systems/systems.controller.js';
import { SENSOR_NOT_FOUND } from '../systems/systems.service.js';
import { SeriesQuery, SystemSeries } from './series.dto.js';
import { SeriesService } from './series.service.js';

@ApiTags('readings')
@Controller('systems/:systemId')
export class SeriesController {
  constructor(private readonly series: SeriesService) {}

  /**
   * Several sensors in buckets: what a chart needs.
   * @remarks Min, mean, max and last are of good readings. A bucket without any has nulls and a count of 0, so that a gap
   * stays a gap. Hours, days, weeks and months are those of the time zone, across changes of its clocks.
   */
  @Get('series')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID, SENSOR_NOT_FOUND)
  read(@Param('systemId') systemId: string, @Query() query: SeriesQuery): Promise<SystemSeries> {
    return this.series.read(systemId, query);
  }
}
