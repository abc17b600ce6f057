import { Body, Controller, HttpCode, Param, Post, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiExtraModels, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { AllowedFrom } from '../../platform/auth/access.js';
import { JSON_TYPES } from '../../platform/http/bodies.js';
import { REQUEST_INVALID } from '../../platform/http/problem.js';
import { Fails } from '../../platform/openapi/fails.js';
import { InSystem } from '../../systems/systems.controller.js';
import { SystemsService } from '../../systems/systems.service.js';
import { READINGS_REFUSED, refuseIfAllRefused } from '../ingest.service.js';
import { MAX_BATCH, ReadingsStored } from '../readings.dto.js';
import { Intake, TakesReadings } from './intake.js';
import { parseSenml } from './senml.js';
import { SenmlRecord } from './senml.dto.js';

@ApiTags('readings')
@Controller('systems/:systemId/senml')
export class SenmlController {
  constructor(
    private readonly systems: SystemsService,
    private readonly intake: Intake,
  ) {}

  /**
   * Post readings as a SenML pack (RFC 8428).
   * @remarks As POST /readings: one result for each record that is no base alone, in their order; one bad record never
   * sinks the pack. A value in another unit of the same kind is converted.
   */
  @Post()
  @HttpCode(200)
  @AllowedFrom('device')
  @InSystem()
  @TakesReadings()
  @ApiConsumes(...JSON_TYPES)
  @ApiExtraModels(SenmlRecord)
  @ApiBody({
    schema: {
      type: 'array',
      items: { $ref: getSchemaPath(SenmlRecord) },
      example: [
        { bn: 'urn:dev:mac:0024befffe804ff1:', bt: -60, n: 'water-temperature', u: 'Cel', v: 26.3 },
        { n: 'electrical-conductivity', u: 'S/m', v: 0.145 },
        { n: 'ph', u: 'pH', v: 6.8, t: 10 },
      ],
    },
  })
  @Fails(REQUEST_INVALID, READINGS_REFUSED)
  async post(
    @Param('systemId') systemId: string,
    @Req() request: FastifyRequest,
    @Body() records: unknown,
  ): Promise<ReadingsStored> {
    if (!Array.isArray(records) || records.length === 0 || records.length > MAX_BATCH) {
      throw REQUEST_INVALID.happened(`A SenML pack is a list of 1 to ${MAX_BATCH} records`);
    }
    const { sensors } = await this.systems.ingestView(systemId);
    const stored = await this.intake.take(request, {
      systemId,
      readings: records.length,
      content: records,
      itemsAt: (now) => parseSenml(records, systemId, sensors, now),
    });
    return refuseIfAllRefused(stored);
  }
}
