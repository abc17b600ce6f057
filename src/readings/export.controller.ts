import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { AllowedFrom } from '../platform/auth/access.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem } from '../systems/systems.controller.js';
import { SENSOR_NOT_FOUND } from '../systems/systems.service.js';
import { ExportQuery } from './export.dto.js';
import { ExportService } from './export.service.js';

@ApiTags('readings')
@Controller('systems/:systemId')
export class ExportController {
  constructor(private readonly exports: ExportService) {}

  /**
   * Every reading of a period, as CSV or as InfluxDB's line protocol.
   * @remarks Of any length: it comes while it is read, sensor by sensor. Should it break off, so does the connection, and
   * what came is not whole. Times in CSV are by the clocks of the time zone, with their offset. Line protocol carries
   * raw figures unless `values` says otherwise, and can be posted to /api/v2/write as it is.
   */
  @Get('export')
  @AllowedFrom('operator')
  @InSystem()
  @ApiProduces('text/csv', 'text/plain')
  @ApiOkResponse({ description: 'The readings', schema: { type: 'string' } })
  @Fails(REQUEST_INVALID, SENSOR_NOT_FOUND)
  async export(
    @Param('systemId') systemId: string,
    @Query() query: ExportQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { mediaType, fileName, content } = await this.exports.begin(systemId, query);
    void reply
      .header('content-disposition', `attachment; filename="${fileName}"`)
      .type(mediaType)
      .send(content);
  }
}
