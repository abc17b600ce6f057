import { Body, Controller, Get, HttpCode, Param, ParseIntPipe, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';

import { AllowedFrom } from '../platform/auth/access.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem, OfSensor } from '../systems/systems.controller.js';
import {
  AddPoint,
  AppliedCalibration,
  ApplyCalibration,
  CalibrationList,
  CalibrationSession,
  RestoreCalibration,
} from './calibration.dto.js';
import {
  CALIBRATION_NOT_FOUND,
  CalibrationService,
  NO_SESSION,
  NOT_SETTLED,
  POINTS_UNFIT,
  SESSION_OPEN,
  SLOPE_BAD,
  TEMPERATURE_UNKNOWN,
} from './calibration.service.js';
import { SENSOR_DERIVED } from './rejudging.service.js';

@ApiTags('calibration')
@Controller('systems/:systemId/sensors/:sensorId')
export class CalibrationController {
  constructor(private readonly calibration: CalibrationService) {}

  /**
   * Begin to calibrate a sensor.
   * @remarks From now on its readings are suspect, so that nothing acts on what a probe says in a bottle. A session ends
   * when it is applied or cancelled, and by itself after 30 minutes.
   */
  @Post('calibration-session')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  @Fails(SESSION_OPEN, SENSOR_DERIVED)
  start(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
  ): Promise<CalibrationSession> {
    return this.calibration.start(systemId, sensorId);
  }

  /** The session that is open, with its points so far. */
  @Get('calibration-session')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  @Fails(NO_SESSION)
  session(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
  ): Promise<CalibrationSession> {
    return this.calibration.session(systemId, sensorId);
  }

  /** Add a point: what the probe is in. A point of the same reference is replaced. */
  @Post('calibration-session/points')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  @Fails(REQUEST_INVALID, NO_SESSION, NOT_SETTLED, TEMPERATURE_UNKNOWN)
  addPoint(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Body() body: AddPoint,
  ): Promise<CalibrationSession> {
    return this.calibration.addPoint(systemId, sensorId, body);
  }

  /**
   * Apply the points of the session, and end it.
   * @remarks A slope outside of 95 to 105 % is refused unless it is accepted. The readings that are stored keep their
   * values, unless `from` says from when on they are computed anew.
   */
  @Post('calibrations')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  @Fails(REQUEST_INVALID, NO_SESSION, POINTS_UNFIT, SLOPE_BAD)
  apply(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Body() body: ApplyCalibration,
  ): Promise<AppliedCalibration> {
    return this.calibration.apply(systemId, sensorId, body);
  }

  /** All calibrations of a sensor, newest first. */
  @Get('calibrations')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  list(@Param('systemId') systemId: string, @Param('sensorId') sensorId: string): Promise<CalibrationList> {
    return this.calibration.list(systemId, sensorId);
  }

  /** Bring back an earlier calibration; number 0 is none at all. */
  @Post('calibrations/:number/restorations')
  @ApiParam({ name: 'number', example: 1, type: Number })
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  @Fails(REQUEST_INVALID, CALIBRATION_NOT_FOUND, SENSOR_DERIVED)
  restore(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Param('number', ParseIntPipe) number: number,
    @Body() body: RestoreCalibration,
  ): Promise<AppliedCalibration> {
    return this.calibration.restore(systemId, sensorId, number, body.from);
  }

  /** Cancel the session, where one is open: nothing of it is applied. */
  @Post('calibration-session/cancellations')
  @HttpCode(204)
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('ph')
  cancel(@Param('systemId') systemId: string, @Param('sensorId') sensorId: string): Promise<void> {
    return this.calibration.cancel(systemId, sensorId);
  }
}
