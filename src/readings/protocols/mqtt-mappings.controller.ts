import { Body, Controller, Delete, Get, HttpCode, Param, ParseIntPipe, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';

import { AllowedFrom } from '../../platform/auth/access.js';
import { REQUEST_INVALID } from '../../platform/http/problem.js';
import { Fails } from '../../platform/openapi/fails.js';
import { InSystem } from '../../systems/systems.controller.js';
import { DEVICE_NOT_FOUND, SENSOR_NOT_FOUND } from '../../systems/systems.service.js';
import { CreateMqttMapping, MqttMapping, MqttMappingList } from './mqtt-mappings.dto.js';
import {
  MAPPING_NOT_FOUND,
  MAPPING_OVERLAP,
  MAPPING_TAKEN,
  MAPPINGS_TOO_MANY,
  MqttMappingsService,
} from './mqtt-mappings.service.js';

@ApiTags('readings')
@Controller('systems/:systemId/mqtt-mappings')
export class MqttMappingsController {
  constructor(private readonly mappings: MqttMappingsService) {}

  /** Where readings are taken from in the MQTT topics of Tasmota, ESPHome and other firmware. */
  @Get()
  @AllowedFrom('operator')
  @InSystem()
  async list(@Param('systemId') systemId: string): Promise<MqttMappingList> {
    return { mappings: await this.mappings.list(systemId) };
  }

  /**
   * Take readings of a sensor, or the presence of a device, from a topic that its firmware publishes to.
   * @remarks It holds at once. With the key of any device of the system, that topic can then be published to.
   */
  @Post()
  @AllowedFrom('operator')
  @InSystem()
  @Fails(
    REQUEST_INVALID,
    SENSOR_NOT_FOUND,
    DEVICE_NOT_FOUND,
    MAPPING_TAKEN,
    MAPPING_OVERLAP,
    MAPPINGS_TOO_MANY,
  )
  create(@Param('systemId') systemId: string, @Body() body: CreateMqttMapping): Promise<MqttMapping> {
    return this.mappings.create(systemId, body);
  }

  /** Take no readings from there any more. */
  @Delete(':mappingId')
  @HttpCode(204)
  @AllowedFrom('operator')
  @InSystem()
  @ApiParam({ name: 'mappingId', example: 1, type: Number })
  @Fails(REQUEST_INVALID, MAPPING_NOT_FOUND)
  delete(
    @Param('systemId') systemId: string,
    @Param('mappingId', ParseIntPipe) mappingId: number,
  ): Promise<void> {
    return this.mappings.delete(systemId, mappingId);
  }
}
