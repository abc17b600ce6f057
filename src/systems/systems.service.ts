import { Injectable, OnApplicationShutdown } from '@nestjs/common';

import { KeysService } from '../platform/auth/keys.service.js';
import { Clock, isoTime } from '../platform/clock.js';
import { Events } from '../platform/events.js';
import { ProblemType } from '../platform/http/problem.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import { ACTUATOR_KINDS } from './actuators.js';
import { CROPS, type Profile, rangesFor, type Ranges, SPECIES } from './profiles.js';
import type { ChangeSensor } from './devices.dto.js';
import { factsOf, type Quantity } from './quantities.js';
import type {
  Actuator,
  ChangeSystem,
  CreateActuator,
  CreateDevice,
  CreateSensor,
  CreateSystem,
  Device,
  ProfileList,
  ProfileView,
  Sensor,
  System,
  SystemWithParts,
} from './systems.dto.js';
import { type SystemView, SystemViews } from './system-views.js';
import {
  type ActuatorRow,
  type Parts,
  calibrationDueAt,
  type SensorRow,
  type SensorRules,
  type SystemRow,
  SystemsRepository,
} from './systems.repository.js';
import { CAMERA, DERIVED_DEVICE, type Template, TEMPLATES } from './templates.js';

export const SYSTEM_NOT_FOUND = new ProblemType('SYSTEM.NOT_FOUND', 404, 'There is no such system');
export const SYSTEM_TAKEN = new ProblemType('SYSTEM.TAKEN', 409, 'There is a system of this id already');
export const PART_TAKEN = new ProblemType(
  'SYSTEM.PART_TAKEN',
  409,
  'The system has a part of this id already',
);
export const DEVICE_NOT_FOUND = new ProblemType('DEVICE.NOT_FOUND', 404, 'The system has no such device');
export const SENSOR_CALIBRATED = new ProblemType(
  'SENSOR.CALIBRATED',
  409,
  'The sensor has been calibrated as it is; a probe that reports otherwise is another sensor',
);
export const SENSOR_NOT_FOUND = new ProblemType('SENSOR.NOT_FOUND', 404, 'The system has no such sensor');

@Injectable()
export class SystemsService implements OnApplicationShutdown {
  private readonly views: SystemViews;
  private readonly stopListening: () => void;

  constructor(
    private readonly repository: SystemsRepository,
    private readonly clock: Clock,
    private readonly events: Events,
    keys: KeysService,
  ) {
    this.views = new SystemViews(
      (systemId) => this.load(systemId),
      () => clock.now(),
    );
    this.stopListening = events.on('system.parts-changed', ({ systemId }) => this.views.forget(systemId));
    keys.recogniseHomesBy((systemId, deviceId) =>
      deviceId === null ? this.find(systemId) : this.findDevice(systemId, deviceId),
    );
  }

  onApplicationShutdown(): void {
    this.stopListening();
  }

  async create(request: CreateSystem): Promise<SystemWithParts> {
    const row: SystemRow = {
      id: request.id,
      name: request.name,
      template: request.template ?? null,
      species: request.species,
      crop: request.crop,
      altitude_m: request.altitudeM ?? 0,
      time_zone: request.timeZone ?? 'UTC',
      created_at: this.clock.now(),
    };
    const template = request.template ? TEMPLATES[request.template] : undefined;
    if (!(await this.repository.insertSystem(row, partsOf(request.id, template?.devices ?? [])))) {
      throw SYSTEM_TAKEN.happened(`There is a system "${request.id}" already`);
    }
    this.events.emit('system.parts-changed', { systemId: request.id });
    return this.describe(request.id);
  }

  async change(id: string, request: ChangeSystem): Promise<System> {
    const before = await this.find(id);
    const change = {
      name: request.name ?? before.name,
      time_zone: request.timeZone ?? before.time_zone,
      altitude_m: request.altitudeM ?? before.altitude_m,
    };
    await this.repository.change(id, change);
    this.events.emit('system.parts-changed', { systemId: id });
    if (change.altitude_m !== before.altitude_m) {
      this.events.emit('system.altitude-changed', { systemId: id });
    }
    if (change.time_zone !== before.time_zone) {
      this.events.emit('system.time-zone-changed', { systemId: id, timeZone: change.time_zone });
    }
    return asSystem({ ...before, ...change });
  }

  async list(): Promise<System[]> {
    return (await this.repository.list()).map(asSystem);
  }

  /** @throws SYSTEM_NOT_FOUND */
  async find(id: string): Promise<SystemRow> {
    const system = await this.repository.find(id);
    if (!system) throw SYSTEM_NOT_FOUND.happened(`There is no system "${id}"`);
    return system;
  }

  /**
   * What taking readings needs, without a query where it was asked for lately: at once, and otherwise by a promise.
   * @throws SYSTEM_NOT_FOUND
   */
  ingestView(systemId: string): SystemView | Promise<SystemView> {
    return this.views.get(systemId);
  }

  /** The same, as it is in the database now. @throws SYSTEM_NOT_FOUND */
  currentView(systemId: string): SystemView | Promise<SystemView> {
    this.views.forget(systemId);
    return this.views.get(systemId);
  }

  async describe(id: string): Promise<SystemWithParts> {
    const system = await this.find(id);
    const [devices, sensors, actuators] = await Promise.all([
      this.repository.devices(id),
      this.repository.sensors(id),
      this.repository.actuators(id),
    ]);
    return {
      ...asSystem(system),
      devices: devices.map(({ id, name }) => ({ id, name })),
      sensors: sensors.map((sensor) => asSensor(sensor, this.clock.now())),
      actuators: actuators.map(asActuator),
    };
  }

  async addDevice(systemId: string, device: CreateDevice): Promise<Device> {
    await this.find(systemId);
    await this.addPart(systemId, device.id, {
      devices: [{ system_id: systemId, id: device.id, name: device.name }],
    });
    return { id: device.id, name: device.name };
  }

  async addSensor(systemId: string, request: CreateSensor): Promise<Sensor> {
    await this.findDevice(systemId, request.deviceId);
    const { id, deviceId, quantity, place, rawUnit, temperatureCompensated } = request;
    checkCompensation(quantity, temperatureCompensated);
    const row = {
      system_id: systemId,
      id,
      device_id: deviceId,
      quantity,
      place,
      raw_unit: rawUnit ?? null,
      is_compensated: temperatureCompensated === false ? 0 : 1,
    };
    await this.addPart(systemId, id, { sensors: [row] });
    return this.describeSensor(systemId, id);
  }

  /** @throws SENSOR_NOT_FOUND, DEVICE_NOT_FOUND, SENSOR_CALIBRATED */
  async changeSensor(systemId: string, sensorId: string, request: ChangeSensor): Promise<Sensor> {
    const sensor = await this.findSensor(systemId, sensorId);
    const { deviceId, place, rawUnit, temperatureCompensated } = request;
    if (deviceId) await this.findDevice(systemId, deviceId);
    checkCompensation(sensor.quantity, temperatureCompensated);
    const change = {
      device_id: deviceId ?? sensor.device_id,
      place: place ?? sensor.place,
      raw_unit: rawUnit === undefined ? sensor.raw_unit : rawUnit,
      is_compensated:
        temperatureCompensated === undefined ? sensor.is_compensated : Number(temperatureCompensated),
    };
    const isOther = change.raw_unit !== sensor.raw_unit || change.is_compensated !== sensor.is_compensated;
    if (isOther && sensor.curves !== '[]') throw SENSOR_CALIBRATED.happened();
    await this.repository.changeSensor(sensor.number, change);
    this.sensorChanged(systemId);
    return this.describeSensor(systemId, sensorId);
  }

  async setRules(systemId: string, sensorId: string, rules: SensorRules): Promise<SensorRow> {
    const sensor = await this.findSensor(systemId, sensorId);
    await this.repository.changeSensor(sensor.number, { rules: JSON.stringify(rules) });
    this.sensorChanged(systemId);
    return this.findSensor(systemId, sensorId);
  }

  async describeSensor(systemId: string, sensorId: string): Promise<Sensor> {
    return asSensor(await this.findSensor(systemId, sensorId), this.clock.now());
  }

  /** What its readings are judged by is another: this process knows at once, others within five seconds. */
  sensorChanged(systemId: string): void {
    this.events.emit('system.parts-changed', { systemId });
  }

  async addActuator(systemId: string, request: CreateActuator): Promise<Actuator> {
    await this.findDevice(systemId, request.deviceId);
    const { id, deviceId, kind, place } = request;
    const row = { system_id: systemId, id, device_id: deviceId, kind, place };
    await this.addPart(systemId, id, { actuators: [row] });
    return asActuator(row);
  }

  sensors(systemId: string): Promise<SensorRow[]> {
    return this.repository.sensors(systemId);
  }

  /** @throws SENSOR_NOT_FOUND */
  async findSensor(systemId: string, sensorId: string): Promise<SensorRow> {
    let found = (await this.ingestView(systemId)).sensors.get(sensorId);
    if (!found) {
      // Another replica may have made it a moment ago.
      this.views.forget(systemId);
      found = (await this.ingestView(systemId)).sensors.get(sensorId);
    }
    if (!found) throw SENSOR_NOT_FOUND.happened(`The system "${systemId}" has no sensor "${sensorId}"`);
    return found;
  }

  actuators(systemId: string): Promise<ActuatorRow[]> {
    return this.repository.actuators(systemId);
  }

  /**
   * Photos need sensors to put their figures in; a system without a camera gets one with its first photo.
   * @returns the camera's sensors: without those whose names other devices had taken already.
   */
  async ensureCamera(systemId: string): Promise<SensorRow[]> {
    if ((await this.repository.insertParts(partsOf(systemId, [CAMERA]))) > 0) {
      this.events.emit('system.parts-changed', { systemId });
    }
    return (await this.repository.sensors(systemId)).filter((sensor) => sensor.device_id === CAMERA.id);
  }

  /**
   * What is derived needs sensors to put its figures in; a system gets each when there is something to derive it from.
   * @returns all sensors: without those whose names other devices had taken already.
   */
  async ensureDerived(
    systemId: string,
    wanted: { quantity: Quantity; place: string }[],
  ): Promise<SensorRow[]> {
    const sensors = wanted.map(({ quantity, place }) => ({ id: quantity, quantity, place }));
    const device = { ...DERIVED_DEVICE, sensors, actuators: [] };
    if (sensors.length > 0 && (await this.repository.insertParts(partsOf(systemId, [device]))) > 0) {
      this.sensorChanged(systemId);
    }
    return this.repository.sensors(systemId);
  }

  async ranges(systemId: string): Promise<Ranges> {
    const { species, crop } = await this.find(systemId);
    return rangesFor(species, crop);
  }

  profiles(): ProfileList {
    return {
      species: Object.entries(SPECIES).map(asProfile),
      crops: Object.entries(CROPS).map(asProfile),
      templates: Object.entries(TEMPLATES).map(([id, { name }]) => ({ id, name })),
    };
  }

  private async load(systemId: string): Promise<SystemView> {
    const [system, sensors] = await Promise.all([this.find(systemId), this.repository.sensors(systemId)]);
    return {
      system,
      sensors: new Map(sensors.map((sensor) => [sensor.id, sensor])),
      sensorsByNumber: new Map(sensors.map((sensor) => [sensor.number, sensor])),
    };
  }

  private async addPart(systemId: string, id: string, parts: Partial<Parts>): Promise<void> {
    if ((await this.repository.insertParts(parts)) === 0) {
      throw PART_TAKEN.happened(`The system has a part "${id}" of this sort already`);
    }
    this.events.emit('system.parts-changed', { systemId });
  }

  /** @throws SYSTEM_NOT_FOUND, DEVICE_NOT_FOUND */
  async findDevice(systemId: string, deviceId: string): Promise<void> {
    await this.find(systemId);
    const devices = await this.repository.devices(systemId);
    if (!devices.some((device) => device.id === deviceId)) {
      throw DEVICE_NOT_FOUND.happened(`The system "${systemId}" has no device "${deviceId}"`);
    }
  }
}

function partsOf(systemId: string, devices: Template['devices']): Parts {
  return {
    devices: devices.map(({ id, name }) => ({ system_id: systemId, id, name })),
    sensors: devices.flatMap((device) =>
      device.sensors.map((sensor) => ({ system_id: systemId, device_id: device.id, ...sensor })),
    ),
    actuators: devices.flatMap((device) =>
      device.actuators.map((actuator) => ({ system_id: systemId, device_id: device.id, ...actuator })),
    ),
  };
}

const asSystem = (row: SystemRow): System => ({
  id: row.id,
  name: row.name,
  template: row.template,
  species: row.species,
  crop: row.crop,
  altitudeM: row.altitude_m,
  timeZone: row.time_zone,
  createdAt: isoTime(row.created_at),
});

const asSensor = (row: SensorRow, now: number): Sensor => {
  const dueAt = calibrationDueAt(row);
  return {
    id: row.id,
    deviceId: row.device_id,
    quantity: row.quantity,
    unit: factsOf(row.quantity).unit,
    place: row.place,
    rawUnit: row.raw_unit,
    ...(row.quantity === CONDUCTIVITY && { temperatureCompensated: row.is_compensated === 1 }),
    calibratedAt: row.calibrated_at === null ? null : isoTime(row.calibrated_at),
    calibrationDueAt: dueAt === null ? null : isoTime(dueAt),
    calibrationDue: dueAt !== null && dueAt <= now,
  };
};

const CONDUCTIVITY = 'electrical-conductivity';

function checkCompensation(quantity: Quantity, temperatureCompensated: boolean | undefined): void {
  if (temperatureCompensated !== false || quantity === CONDUCTIVITY) return;
  const field = 'temperatureCompensated';
  const message = `${field} may be false for ${CONDUCTIVITY} only`;
  throw refuseFields([{ field, code: 'quantity', message }]);
}

const asActuator = (row: ActuatorRow): Actuator => ({
  id: row.id,
  deviceId: row.device_id,
  kind: row.kind,
  place: row.place,
  safePercent: ACTUATOR_KINDS[row.kind].safePercent,
});

const asProfile = ([id, profile]: [string, Profile]): ProfileView => ({ id, ...profile });
