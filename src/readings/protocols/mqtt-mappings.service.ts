import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';

import { ProblemType, REQUEST_INVALID } from '../../platform/http/problem.js';
import { LOGGER } from '../../platform/logging.js';
import { covers, isFilter, overlap } from '../../platform/mqtt/topics.js';
import { SystemsService } from '../../systems/systems.service.js';
import { ROOT_TOPIC } from '../../systems/topics.js';
import type { CreateMqttMapping, MqttMapping } from './mqtt-mappings.dto.js';
import { type MappingRow, MqttMappingsRepository } from './mqtt-mappings.repository.js';

export const MAPPING_NOT_FOUND = new ProblemType('MQTT_MAPPING.NOT_FOUND', 404, 'There is no such mapping');
export const MAPPING_TAKEN = new ProblemType('MQTT_MAPPING.TAKEN', 409, 'There is such a mapping already');
export const MAPPING_OVERLAP = new ProblemType(
  'MQTT_MAPPING.OVERLAP',
  409,
  'The topic crosses another one, and a message of both would arrive twice',
);
export const MAPPINGS_TOO_MANY = new ProblemType('MQTT_MAPPING.TOO_MANY', 409, 'There are too many mappings');

/** What another replica has changed is heard of within this time. */
const RELOAD_MS = 3_000;
const MOST = 5_000;

/** Which figure in whose message is a reading of which sensor: for firmware whose topics are its own. */
@Injectable()
export class MqttMappingsService implements OnModuleInit, OnApplicationShutdown {
  private rows: MappingRow[] = [];
  private byTopic = new Map<string, MappingRow[]>();
  private timer: NodeJS.Timeout;
  private changed: () => void = () => undefined;

  constructor(
    private readonly repository: MqttMappingsRepository,
    private readonly systems: SystemsService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.reload();
    this.timer = setInterval(() => {
      this.reload().catch((error: unknown) =>
        this.logger.warn({ err: error }, 'mappings of MQTT topics could not be read'),
      );
    }, RELOAD_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  onChange(listener: () => void): void {
    this.changed = listener;
  }

  /** The topic filters, each with what is mapped from it. */
  all(): ReadonlyMap<string, MappingRow[]> {
    return this.byTopic;
  }

  topicsOf(systemId: string): string[] {
    return this.rows.filter((row) => row.system_id === systemId).map((row) => row.topic);
  }

  async list(systemId: string): Promise<MqttMapping[]> {
    await this.systems.find(systemId);
    await this.reload();
    return this.rows.filter((row) => row.system_id === systemId).map(asMapping);
  }

  /** @throws SENSOR_NOT_FOUND, DEVICE_NOT_FOUND, MAPPING_TAKEN, MAPPING_OVERLAP, MAPPINGS_TOO_MANY */
  async create(systemId: string, request: CreateMqttMapping): Promise<MqttMapping> {
    const row = await this.rowOf(systemId, request);
    await this.reload();
    if (this.rows.length >= MOST) throw MAPPINGS_TOO_MANY.happened();
    if (this.rows.some((other) => isSame(other, row))) throw MAPPING_TAKEN.happened();
    const crossed = [...this.byTopic.keys()].find(
      (topic) => overlap(topic, row.topic) && !covers(topic, row.topic) && !covers(row.topic, topic),
    );
    if (crossed !== undefined) throw MAPPING_OVERLAP.happened(`"${row.topic}" crosses "${crossed}"`);
    const inserted = await this.repository.insert(row);
    await this.reload();
    return asMapping(inserted);
  }

  /** @throws MAPPING_NOT_FOUND */
  async delete(systemId: string, id: number): Promise<void> {
    await this.systems.find(systemId);
    if (!(await this.repository.delete(systemId, id))) {
      throw MAPPING_NOT_FOUND.happened(`The system "${systemId}" has no mapping ${id}`);
    }
    await this.reload();
  }

  private async rowOf(systemId: string, request: CreateMqttMapping): Promise<Omit<MappingRow, 'id'>> {
    const { topic, field = '', sensor, deviceId, scale, shift } = request;
    if (!isFilter(topic)) {
      throw invalid(
        'topic',
        'filter',
        'topic must be an MQTT topic without an empty level, with + alone in its level',
      );
    }
    if (overlap(topic, `${ROOT_TOPIC}/#`)) {
      throw invalid(
        'topic',
        'reserved',
        `topic must not reach into ${ROOT_TOPIC}/, whose topics need no mapping`,
      );
    }
    if ((sensor === undefined) === (deviceId === undefined)) {
      throw invalid('sensor', 'target', 'either sensor or deviceId must be given');
    }
    await (sensor !== undefined
      ? this.systems.findSensor(systemId, sensor)
      : this.systems.findDevice(systemId, deviceId!));
    return {
      system_id: systemId,
      topic,
      field,
      sensor_id: sensor ?? null,
      device_id: deviceId ?? null,
      scale,
      shift,
    };
  }

  private async reload(): Promise<void> {
    const rows = await this.repository.list();
    if (JSON.stringify(rows) === JSON.stringify(this.rows)) return;
    this.rows = rows;
    this.byTopic = grouped(rows, (row) => row.topic);
    this.changed();
  }
}

export function grouped(rows: MappingRow[], keyOf: (row: MappingRow) => string): Map<string, MappingRow[]> {
  const groups = new Map<string, MappingRow[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}

const isSame = (one: Omit<MappingRow, 'id'>, other: Omit<MappingRow, 'id'>): boolean =>
  one.system_id === other.system_id &&
  one.topic === other.topic &&
  one.field === other.field &&
  one.sensor_id === other.sensor_id &&
  one.device_id === other.device_id;

const invalid = (field: string, code: string, message: string) =>
  REQUEST_INVALID.happened({ detail: message, errors: [{ field, code, message }] });

const asMapping = (row: MappingRow): MqttMapping => ({
  id: row.id,
  topic: row.topic,
  field: row.field || null,
  sensor: row.sensor_id,
  deviceId: row.device_id,
  scale: row.scale,
  shift: row.shift,
});
