import { Body, Controller, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';

import { AllowedFrom } from '../platform/auth/access.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem, OfSensor } from '../systems/systems.controller.js';
import { Rejudge, Rejudged, SensorRulesView, SetRules } from './quality.dto.js';
import { QualityService } from './quality.service.js';
import { SENSOR_DERIVED } from './rejudging.service.js';

@ApiTags('quality')
@Controller('systems/:systemId/sensors/:sensorId')
export class QualityController {
  constructor(private readonly quality: QualityService) {}

  /** What makes a reading of this sensor bad or suspect. */
  @Get('rules')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor()
  rules(@Param('systemId') systemId: string, @Param('sensorId') sensorId: string): Promise<SensorRulesView> {
    return this.quality.rules(systemId, sensorId);
  }

  /**
   * Set the rules of this sensor, in place of those that were set before.
   * @remarks They hold for readings that arrive from now on; `POST …/rejudgements` runs them over history.
   */
  @Put('rules')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor()
  @Fails(REQUEST_INVALID, SENSOR_DERIVED)
  setRules(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Body() body: SetRules,
  ): Promise<SensorRulesView> {
    return this.quality.setRules(systemId, sensorId, body);
  }

  /**
   * Judge stored readings again, by the rules and calibrations of now.
   * @remarks What the probe said stays as it is; values, qualities and reasons become what they would have been, and
   * roll-ups and derived quantities follow.
   */
  @Post('rejudgements')
  @HttpCode(200)
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor()
  @Fails(REQUEST_INVALID, SENSOR_DERIVED)
  rejudge(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Body() body: Rejudge,
  ): Promise<Rejudged> {
    return this.quality.rejudge(systemId, sensorId, body);
  }
}
