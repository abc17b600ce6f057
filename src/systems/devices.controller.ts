import {
  applyDecorators,
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Ip,
  Param,
  Patch,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';

import { AllowedFrom, Public } from '../platform/auth/access.js';
import { PageQuery } from '../platform/http/page.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { CLAIM_NOT_FOUND, CLAIM_TOO_MANY, ClaimsService } from './claims.service.js';
import {
  ChangeDevice,
  ChangeSensor,
  ClaimCode,
  ClaimDevice,
  ClaimedDevice,
  DeviceEventList,
  DeviceList,
  DeviceView,
} from './devices.dto.js';
import { DEVICE_IN_USE, DevicesService } from './devices.service.js';
import { InSystem, OfSensor } from './systems.controller.js';
import { Sensor } from './systems.dto.js';
import { DEVICE_NOT_FOUND, SENSOR_CALIBRATED, SystemsService } from './systems.service.js';

/** A code and nothing else. */
const MAX_CLAIM_BYTES = 1024;

const OfDevice = (example = 'water'): MethodDecorator =>
  applyDecorators(
    AllowedFrom('operator'),
    InSystem(),
    ApiParam({ name: 'deviceId', example, type: String }),
    Fails(DEVICE_NOT_FOUND),
  );

@ApiTags('systems')
@Controller()
export class DevicesController {
  constructor(
    private readonly devices: DevicesService,
    private readonly claims: ClaimsService,
    private readonly systems: SystemsService,
  ) {}

  /** The devices of a system: who is heard, and whose clock is wrong. */
  @Get('systems/:systemId/devices')
  @AllowedFrom('operator')
  @InSystem()
  async list(@Param('systemId') systemId: string): Promise<DeviceList> {
    return { devices: await this.devices.list(systemId) };
  }

  /** A device: whether it is heard, since when, and how its clock goes. */
  @Get('systems/:systemId/devices/:deviceId')
  @OfDevice()
  find(@Param('systemId') systemId: string, @Param('deviceId') deviceId: string): Promise<DeviceView> {
    return this.devices.find(systemId, deviceId);
  }

  /** Rename a device. */
  @Patch('systems/:systemId/devices/:deviceId')
  @OfDevice()
  @Fails(REQUEST_INVALID)
  rename(
    @Param('systemId') systemId: string,
    @Param('deviceId') deviceId: string,
    @Body() { name }: ChangeDevice,
  ): Promise<DeviceView> {
    return this.devices.rename(systemId, deviceId, name);
  }

  /** What a device did: came, went, was claimed, had a wrong clock. Newest first; the last thousand are kept. */
  @Get('systems/:systemId/devices/:deviceId/events')
  @OfDevice()
  @Fails(REQUEST_INVALID)
  async events(
    @Param('systemId') systemId: string,
    @Param('deviceId') deviceId: string,
    @Query() page: PageQuery,
  ): Promise<DeviceEventList> {
    return { events: await this.devices.happenings(systemId, deviceId, page) };
  }

  /**
   * Make a claim code, which a device exchanges for its own key.
   * @remarks It is valid for an hour, once; the code made before it is void. Until it is used, the keys that the device
   * has go on to work.
   */
  @Post('systems/:systemId/devices/:deviceId/claim')
  @OfDevice()
  openClaim(@Param('systemId') systemId: string, @Param('deviceId') deviceId: string): Promise<ClaimCode> {
    return this.claims.open(systemId, deviceId);
  }

  /** Delete a device on which nothing hangs, with its keys. */
  @Delete('systems/:systemId/devices/:deviceId')
  @HttpCode(204)
  @OfDevice('weather-station')
  @Fails(DEVICE_IN_USE)
  delete(@Param('systemId') systemId: string, @Param('deviceId') deviceId: string): Promise<void> {
    return this.devices.delete(systemId, deviceId);
  }

  /** Move a sensor to another device or place, or say what its probe reports in. Its readings stay with it. */
  @Patch('systems/:systemId/sensors/:sensorId')
  @AllowedFrom('operator')
  @InSystem()
  @OfSensor('roof-illuminance')
  @Fails(REQUEST_INVALID, DEVICE_NOT_FOUND, SENSOR_CALIBRATED)
  changeSensor(
    @Param('systemId') systemId: string,
    @Param('sensorId') sensorId: string,
    @Body() body: ChangeSensor,
  ): Promise<Sensor> {
    return this.systems.changeSensor(systemId, sensorId, body);
  }

  /**
   * A device exchanges its claim code for its own key.
   * @remarks It needs no key, for a new device has none. All other keys of the device are revoked. A code that is wrong,
   * used or expired gets one and the same answer; after ten of them an address has to wait, and the more so all
   * addresses together.
   */
  @Post('claims')
  @HttpCode(200)
  @Public()
  @RouteConfig({ maxBytesWithoutKey: MAX_CLAIM_BYTES })
  @Fails(REQUEST_INVALID, CLAIM_NOT_FOUND, CLAIM_TOO_MANY)
  claim(
    @Body() { code }: ClaimDevice,
    @Ip() address: string,
    @Req() { hostname }: FastifyRequest,
  ): Promise<ClaimedDevice> {
    return this.claims.claim(code, address, hostname);
  }
}
