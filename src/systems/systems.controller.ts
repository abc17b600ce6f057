import { applyDecorators, Body, Controller, Get, Param, Patch, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';

import { AllowedFrom } from '../platform/auth/access.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import {
  Actuator,
  ChangeSystem,
  CreateActuator,
  CreateDevice,
  CreateSensor,
  CreateSystem,
  Device,
  ProfileList,
  Sensor,
  System,
  SystemList,
  SystemWithParts,
} from './systems.dto.js';
import {
  DEVICE_NOT_FOUND,
  PART_TAKEN,
  SENSOR_NOT_FOUND,
  SYSTEM_NOT_FOUND,
  SYSTEM_TAKEN,
  SystemsService,
} from './systems.service.js';

/** The path of whatever belongs to a system. */
export const InSystem = (): MethodDecorator =>
  applyDecorators(
    ApiParam({ name: 'systemId', example: 'greenhouse', type: String }),
    Fails(SYSTEM_NOT_FOUND),
  );

/** The path of whatever belongs to a sensor. */
export const OfSensor = (example = 'water-temperature'): MethodDecorator =>
  applyDecorators(ApiParam({ name: 'sensorId', example, type: String }), Fails(SENSOR_NOT_FOUND));

@ApiTags('systems')
@Controller()
export class SystemsController {
  constructor(private readonly systems: SystemsService) {}

  /** Species, crops and templates to choose from, with the ranges that each keeps to and their sources. */
  @Get('profiles')
  @AllowedFrom('operator')
  profiles(): ProfileList {
    return this.systems.profiles();
  }

  /** Make a system: empty, or at once with the devices, sensors and actuators of a template. */
  @Post('systems')
  @AllowedFrom('operator')
  @Fails(REQUEST_INVALID, SYSTEM_TAKEN)
  create(@Body() body: CreateSystem): Promise<SystemWithParts> {
    return this.systems.create(body);
  }

  /** All systems. */
  @Get('systems')
  @AllowedFrom('operator')
  async list(): Promise<SystemList> {
    return { systems: await this.systems.list() };
  }

  /** A system with its devices, sensors and actuators. */
  @Get('systems/:systemId')
  @AllowedFrom('device')
  @InSystem()
  describe(@Param('systemId') systemId: string): Promise<SystemWithParts> {
    return this.systems.describe(systemId);
  }

  /** Change a system's name, time zone or altitude. */
  @Patch('systems/:systemId')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID)
  change(@Param('systemId') systemId: string, @Body() body: ChangeSystem): Promise<System> {
    return this.systems.change(systemId, body);
  }

  /** Add a device. */
  @Post('systems/:systemId/devices')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID, PART_TAKEN)
  addDevice(@Param('systemId') systemId: string, @Body() body: CreateDevice): Promise<Device> {
    return this.systems.addDevice(systemId, body);
  }

  /** Add a sensor: one quantity at one place. */
  @Post('systems/:systemId/sensors')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID, DEVICE_NOT_FOUND, PART_TAKEN)
  addSensor(@Param('systemId') systemId: string, @Body() body: CreateSensor): Promise<Sensor> {
    return this.systems.addSensor(systemId, body);
  }

  /** Add an actuator. */
  @Post('systems/:systemId/actuators')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID, DEVICE_NOT_FOUND, PART_TAKEN)
  addActuator(@Param('systemId') systemId: string, @Body() body: CreateActuator): Promise<Actuator> {
    return this.systems.addActuator(systemId, body);
  }
}
