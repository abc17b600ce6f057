import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Max, Min } from 'class-validator';

import { IsSlug } from '../platform/http/slug.js';
import { IsTimeZone } from '../platform/http/time-zone.js';
import { ACTUATOR_KIND_NAMES, type ActuatorKind } from './actuators.js';
import { CROP_NAMES, SPECIES_NAMES } from './profiles.js';
import { MEASURED_QUANTITY_NAMES, type Quantity } from './quantities.js';
import { TEMPLATE_NAMES } from './templates.js';

export class CreateSystem {
  /**
   * A name of your choice that stands in addresses and topics.
   * @example greenhouse
   */
  @IsSlug()
  id: string;

  /** @example 'Greenhouse by the school' */
  @IsString()
  @Length(1, 200)
  name: string;

  /**
   * Makes devices, sensors and actuators at once; without it the system starts empty.
   * @example raft
   */
  @IsOptional()
  @IsIn(TEMPLATE_NAMES)
  template?: string;

  /** @example nile-tilapia */
  @IsIn(SPECIES_NAMES)
  species: string;

  /** @example lettuce */
  @IsIn(CROP_NAMES)
  crop: string;

  /**
   * Metres above the sea: thin air holds less oxygen in the water.
   * @example 250
   */
  @IsOptional()
  @IsInt()
  @Min(-430)
  @Max(6000)
  altitudeM?: number;

  /**
   * The time zone of the grower, by its IANA name: where a day begins. UTC where it is left out.
   * @example Europe/Rome
   */
  @IsOptional()
  @IsTimeZone()
  timeZone?: string;
}

/** What is left out stays as it is. */
export class ChangeSystem {
  /** @example 'Greenhouse by the school' */
  @IsOptional()
  @IsString()
  @Length(1, 200)
  name?: string;

  /**
   * Where a day begins, by its IANA name; what is kept by day is made again.
   * @example Europe/Rome
   */
  @IsOptional()
  @IsTimeZone()
  timeZone?: string;

  /**
   * Metres above the sea.
   * @example 250
   */
  @IsOptional()
  @IsInt()
  @Min(-430)
  @Max(6000)
  altitudeM?: number;
}

export class CreateDevice {
  /** @example weather-station */
  @IsSlug()
  id: string;

  /** @example 'Weather station' */
  @IsString()
  @Length(1, 200)
  name: string;
}

export class CreateSensor {
  /**
   * Its name within the system.
   * @example roof-illuminance
   */
  @IsSlug()
  id: string;

  /**
   * The device that it hangs on.
   * @example climate
   */
  @IsSlug()
  deviceId: string;

  /** @example illuminance */
  @IsIn(MEASURED_QUANTITY_NAMES)
  quantity: Quantity;

  /**
   * Where it measures.
   * @example roof
   */
  @IsString()
  @Length(1, 100)
  place: string;

  /**
   * What the probe reports in, where that is not the quantity's unit, such as mV; then it needs a calibration before it
   * has values.
   * @example mV
   */
  @IsOptional()
  @IsString()
  @Length(1, 20)
  rawUnit?: string;

  /**
   * Electrical conductivity only: false where the probe reports what it measures at the temperature of the water, true
   * (the default) where it reports for 25 Cel.
   * @example true
   */
  @IsOptional()
  @IsBoolean()
  temperatureCompensated?: boolean;
}

export class CreateActuator {
  /**
   * Its name within the system.
   * @example spare-air-pump
   */
  @IsSlug()
  id: string;

  /**
   * The device that switches it.
   * @example water
   */
  @IsSlug()
  deviceId: string;

  /** @example air-pump */
  @IsIn(ACTUATOR_KIND_NAMES)
  kind: ActuatorKind;

  /** @example tank */
  @IsString()
  @Length(1, 100)
  place: string;
}

export class Device {
  /** @example water */
  id: string;

  /** @example 'Water controller' */
  name: string;
}

export class Sensor {
  /** @example water-temperature */
  id: string;

  /** @example water */
  deviceId: string;

  /** @example water-temperature */
  quantity: Quantity;

  /**
   * UCUM.
   * @example Cel
   */
  unit: string;

  /** @example tank */
  place: string;

  /**
   * What the probe reports in, where that is not the unit.
   * @example null
   */
  rawUnit: string | null;

  /** Electrical conductivity only: whether the probe reports for 25 Cel. */
  temperatureCompensated?: boolean;

  /**
   * When the calibration in force was applied; null where there is none.
   * @example 2026-11-01T09:00:00.000Z
   */
  calibratedAt: string | null;

  /**
   * When it should be calibrated again; null where it never was, or needs no calibration.
   * @example 2026-12-01T09:00:00.000Z
   */
  calibrationDueAt: string | null;

  /**
   * Whether that time has come.
   * @example false
   */
  calibrationDue: boolean;
}

export class Actuator {
  /** @example air-pump */
  id: string;

  /** @example water */
  deviceId: string;

  /** @example air-pump */
  kind: ActuatorKind;

  /** @example tank */
  place: string;

  /**
   * The level in per cent that it falls back to when nobody commands it.
   * @example 100
   */
  safePercent: number;
}

export class System {
  /** @example greenhouse */
  id: string;

  /** @example 'Greenhouse by the school' */
  name: string;

  /** @example raft */
  template: string | null;

  /** @example nile-tilapia */
  species: string;

  /** @example lettuce */
  crop: string;

  /** @example 250 */
  altitudeM: number;

  /** @example Europe/Rome */
  timeZone: string;

  /** @example 2026-11-21T09:00:00.000Z */
  createdAt: string;
}

export class SystemWithParts extends System {
  devices: Device[];

  sensors: Sensor[];

  actuators: Actuator[];
}

export class SystemList {
  systems: System[];
}

export class RangeView {
  /**
   * Where it thrives; null is open.
   * @example [27, 30]
   */
  best: (number | null)[];

  /**
   * Outside of it, it dies or stops; null is open.
   * @example [14, 36]
   */
  vital: (number | null)[];
}

export class ProfileView {
  /** @example nile-tilapia */
  id: string;

  /** @example 'Nile tilapia (Oreochromis niloticus)' */
  name: string;

  /** @example 'FAO Fisheries Technical Paper 589, tables 3.1 and 7.1' */
  source: string;

  /**
   * By quantity, in its unit.
   * @example { "water-temperature": { "best": [27, 30], "vital": [14, 36] } }
   */
  ranges: Record<string, RangeView>;

  /**
   * Fish only: it takes no feed in colder water, Cel.
   * @example 17
   */
  noFeedBelowC?: number;

  /**
   * Crops only: degree-days count from here, Cel.
   * @example 10
   */
  baseTemperatureC?: number;

  /** @example 'University of California IPM, phenology models: lower threshold 10 Cel' */
  baseTemperatureSource?: string;
}

export class TemplateView {
  /** @example raft */
  id: string;

  /** @example 'Raft (deep water culture): plants float on an aerated canal' */
  name: string;
}

export class ProfileList {
  species: ProfileView[];

  crops: ProfileView[];

  templates: TemplateView[];
}
