import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, Length, ValidateIf } from 'class-validator';

import { IsSlug } from '../platform/http/slug.js';
import type { DeviceHappening } from './devices.repository.js';
import { Actuator, Device, Sensor } from './systems.dto.js';

export const DEVICE_HAPPENINGS: DeviceHappening[] = [
  'claimed',
  'online',
  'offline',
  'clock-wrong',
  'clock-right',
];

export class ChangeDevice {
  /** @example 'Water controller by the door' */
  @IsString()
  @Length(1, 200)
  name: string;
}

/** What is left out stays as it is. */
export class ChangeSensor {
  /**
   * The device that it hangs on from now on.
   * @example climate
   */
  @IsOptional()
  @IsSlug()
  deviceId?: string;

  /** @example 'under the roof' */
  @IsOptional()
  @IsString()
  @Length(1, 100)
  place?: string;

  /**
   * What the probe reports in; null where that is the quantity's unit. Only before its first calibration: another probe is
   * another sensor.
   * @example mV
   */
  @ApiProperty({ type: String, nullable: true, required: false, example: 'mV' })
  @ValidateIf(({ rawUnit }: ChangeSensor) => rawUnit !== null && rawUnit !== undefined)
  @IsString()
  @Length(1, 20)
  rawUnit?: string | null;

  /**
   * Electrical conductivity only: whether the probe reports for 25 Cel.
   * @example true
   */
  @IsOptional()
  @IsBoolean()
  temperatureCompensated?: boolean;
}

export class DeviceView extends Device {
  /**
   * Whether it is heard: none of its readings has gone stale, and no last will has come.
   * @example true
   */
  online: boolean;

  /**
   * Since when it is, or is not; null where it was never heard.
   * @example 2026-11-21T09:00:00.000Z
   */
  since: string | null;

  /** @example 2026-10-01T06:12:09.000Z */
  firstSeenAt: string | null;

  /** @example 2026-11-21T09:10:00.000Z */
  lastSeenAt: string | null;

  /**
   * How far its clock is ahead of the server's, at least, by the times that its readings name: a clock that is right is
   * a little behind, by the way of a message. Null where nothing is known.
   * @example -140
   */
  clockSkewMs: number | null;

  /**
   * Its clock is off by more than half a minute.
   * @example false
   */
  clockWrong: boolean;
}

export class DeviceList {
  devices: DeviceView[];
}

export class DeviceEvent {
  /** @example 7 */
  id: number;

  /** @example 2026-11-21T09:00:00.000Z */
  at: string;

  /** @example offline */
  @ApiProperty({ enum: DEVICE_HAPPENINGS })
  what: DeviceHappening;

  /**
   * Why it is offline (last-will, disconnected, silent); how far its clock is off.
   * @example silent
   */
  detail: string | null;
}

export class DeviceEventList {
  events: DeviceEvent[];
}

export class ClaimCode {
  /**
   * To be typed into the device. Shown this once; only a hash is kept.
   * @example 7K3M-X9QD
   */
  code: string;

  /** @example 2026-11-21T10:00:00.000Z */
  expiresAt: string;
}

export class ClaimDevice {
  /**
   * Capitals, hyphen and spaces do not matter.
   * @example 7K3M-X9QD
   */
  @IsString()
  @Length(1, 32)
  code: string;
}

export class MqttSettings {
  /** @example farm.example.org */
  host: string;

  /** @example 1883 */
  port: number;

  /**
   * The password is the key.
   * @example water-9f86d081
   */
  username: string;

  /**
   * A sensor's readings go to this, followed by the name of the sensor.
   * @example aquaponia/greenhouse/
   */
  topicPrefix: string;
}

export class ClaimedDevice {
  /** @example greenhouse */
  systemId: string;

  /** @example water */
  deviceId: string;

  /** @example water-9f86d081 */
  keyId: string;

  /**
   * The device's own key, for `Authorization: Bearer`. Shown this once; only a hash is kept.
   * @example aq_Zk1mM0xhV2dQd0RkT1B6cVJ5c1R1VndYeVowMTIzNDU
   */
  key: string;

  /** What it measures. */
  sensors: Sensor[];

  /** What it switches. */
  actuators: Actuator[];

  /** Where the server takes MQTT; absent where it has no broker of its own without TLS. */
  mqtt?: MqttSettings;
}
