import { ApiProperty } from '@nestjs/swagger';
import { IsNumber, IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';

import { IsSlug } from '../../platform/http/slug.js';

export class CreateMqttMapping {
  /**
   * The topic that the firmware publishes to; `+` takes any one level.
   * @example 'tele/tank/SENSOR'
   */
  @IsString()
  @MinLength(1)
  @MaxLength(256)
  topic: string;

  /**
   * Where in the JSON the figure stands, as a dotted path; left out where the payload is the figure.
   * @example DS18B20.Temperature
   */
  @IsOptional()
  @IsString()
  @MaxLength(128)
  @Matches(/^[^.]+(\.[^.]+)*$/, { message: 'field must be names joined by dots' })
  field?: string;

  /**
   * The sensor that it is a reading of. Either this or `deviceId`.
   * @example water-temperature
   */
  @IsOptional()
  @IsSlug()
  sensor?: string;

  /**
   * The device whose `online` and `offline` the topic tells.
   */
  @IsOptional()
  @IsSlug()
  deviceId?: string;

  /**
   * What the figure is multiplied by, into the unit of the sensor's quantity: 1000 from mS/cm.
   * @example 1
   */
  @ApiProperty({ required: false, default: 1, example: 1 })
  @IsOptional()
  @IsNumber()
  scale: number = 1;

  /**
   * What is then added.
   * @example 0
   */
  @ApiProperty({ required: false, default: 0, example: 0 })
  @IsOptional()
  @IsNumber()
  shift: number = 0;
}

export class MqttMapping {
  /** @example 1 */
  id: number;

  /** @example 'tele/tank/SENSOR' */
  topic: string;

  /** @example DS18B20.Temperature */
  field: string | null;

  /** @example water-temperature */
  sensor: string | null;

  /**
   * The device whose presence the topic tells; then `sensor` is null.
   * @example null
   */
  deviceId: string | null;

  /** @example 1 */
  scale: number;

  /** @example 0 */
  shift: number;
}

export class MqttMappingList {
  mappings: MqttMapping[];
}
