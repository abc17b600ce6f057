import { Body, Controller, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { AllowedFrom } from '../platform/auth/access.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem } from '../systems/systems.controller.js';
import { SENSOR_NOT_FOUND } from '../systems/systems.service.js';
import { fromJson } from './ingest.js';
import { READINGS_REFUSED, refuseIfAllRefused } from './ingest.service.js';
import { Intake, TakesReadings } from './protocols/intake.js';
import { PostReadings, ReadingsQuery, ReadingsStored, SensorReadings, SystemStatus } from './readings.dto.js';
import { ReadingsService } from './readings.service.js';

@ApiTags('readings')
@Controller('systems/:systemId')
export class ReadingsController {
  constructor(
    private readonly intake: Intake,
    private readonly readings: ReadingsService,
  ) {}

  /**
   * Post a batch of readings.
   * @remarks What the answer calls stored is on the disk. The same reading again changes nothing. A value that no
   * working probe reports is kept with its quality and without a usable value. One bad reading never sinks its batch;
   * where not one could be taken, the answer is 422.
   */
  @Post('readings')
  @HttpCode(200)
  @AllowedFrom('device')
  @InSystem()
  @TakesReadings()
  @Fails(REQUEST_INVALID, READINGS_REFUSED)
  async post(
    @Param('systemId') systemId: string,
    @Req() request: FastifyRequest,
    @Body() { readings }: PostReadings,
  ): Promise<ReadingsStored> {
    const stored = await this.intake.take(request, {
      systemId,
      readings: readings.length,
      content: readings,
      itemsAt: () => readings.map(fromJson),
    });
    return refuseIfAllRefused(stored);
  }

  /** The newest reading of each sensor, its age and quality, and what follows from them. */
  @Get('status')
  @AllowedFrom('operator')
  @InSystem()
  status(@Param('systemId') systemId: string): Promise<SystemStatus> {
    return this.readings.status(systemId);
  }

  /** The readings of a sensor within a period, oldest first. */
  @Get('sensors/:sensorId/readings')
  @AllowedFrom('operator')
  @InSystem()
  @ApiParam({ name: 'sensorId', example: 'water-temperature', type: String })
  @Fails(REQUEST_INVALID, SENSOR_NOT_FOUND)
  read(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Query() query: ReadingsQuery,
  ): Promise<SensorReadings> {
    return this.readings.read(systemId, sensorId, query);
  }
}
