import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Counter } from 'prom-client';

import { Clock } from '../../platform/clock.js';
import { parseInstant } from '../../platform/http/instant.js';
import { Problem, ProblemType } from '../../platform/http/problem.js';
import { SLUG } from '../../platform/http/slug.js';
import { LOGGER } from '../../platform/logging.js';
import { Metrics } from '../../platform/metrics/metrics.js';
import { MAX_PAYLOAD_BYTES } from '../../platform/mqtt/bounded-packets.js';
import type { KeyHolder } from '../../platform/auth/keys.service.js';
import { type Message, Mqtt } from '../../platform/mqtt/mqtt.js';
import { ROOT_TOPIC } from '../../systems/topics.js';
import { Allowance } from '../allowance.js';
import { type Item, type Refusal, refuse } from '../ingest.js';
import { DevicesService } from '../../systems/devices.service.js';
import { SystemsService } from '../../systems/systems.service.js';
import { IngestService } from '../ingest.service.js';
import { MAX_BATCH } from '../readings.dto.js';
import type { MappingRow } from './mqtt-mappings.repository.js';
import { grouped, MqttMappingsService } from './mqtt-mappings.service.js';
import {
  fieldOf,
  jsonOf,
  numberOf,
  parsePayload,
  PayloadError,
  type SenmlPack,
  textOf,
} from './mqtt-payload.js';
import {
  errorsTopic,
  isErrorsTopic,
  partsOf,
  SENSOR_TOPICS,
  STATUS_TOPICS,
  SYSTEM_TOPICS,
} from './mqtt-topics.js';
import { Pace } from './pace.js';
import { Sampler } from './sampler.js';
import { parseSenml } from './senml.js';

export const MESSAGE_REFUSED = new ProblemType('MQTT.REFUSED', 422, 'Not all of the message could be taken');

const FORBIDDEN = refuse('MQTT.FORBIDDEN', 'topic', 'the key does not reach this topic');
const MOST_ERRORS_TOLD = 20;
const SECOND_MS = 1_000;

type Outcome = 'taken' | 'partly-refused' | 'refused' | 'ignored' | 'failed';

/**
 * Readings by MQTT. What can never be taken is acknowledged all the same, lest its sender repeat it for ever, and said on
 * the `errors` topic of the system; what we fail at is not acknowledged.
 */
@Injectable()
export class MqttAdapter implements OnModuleInit {
  private readonly counter: Counter<'outcome'>;
  private readonly told: Sampler;
  private readonly logged: Sampler;
  private readonly pace: Pace;
  private stopHandling: (() => void)[] = [];

  constructor(
    private readonly mqtt: Mqtt,
    private readonly ingest: IngestService,
    private readonly mappings: MqttMappingsService,
    private readonly systems: SystemsService,
    private readonly devices: DevicesService,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
    allowance: Allowance,
  ) {
    this.pace = new Pace(allowance);
    this.counter = metrics.counter(
      'mqtt_messages_total',
      'MQTT messages that could be readings, by outcome',
      ['outcome'],
    );
    this.told = new Sampler(10, SECOND_MS, () => clock.now());
    this.logged = new Sampler(5, 60 * SECOND_MS, () => clock.now());
  }

  onModuleInit(): void {
    this.mqtt.confineDevicesTo((systemId) => [
      `${ROOT_TOPIC}/${systemId}/#`,
      ...this.mappings.topicsOf(systemId),
    ]);
    this.mqtt.onPresence((holder, isOnline) => this.noteConnection(holder, isOnline));
    this.mqtt.onForbidden((holder, topic) => {
      // What firmware publishes besides its readings is nobody's fault.
      if (holder.systemId === null || !topic.startsWith(`${ROOT_TOPIC}/`)) return;
      this.refuse({ topic, from: holder }, holder.systemId, [FORBIDDEN.refusal]);
    });
    this.mqtt.handle(SYSTEM_TOPICS, (message) => this.takeReadings(message));
    this.mqtt.handle(SENSOR_TOPICS, (message) => this.takeReadings(message));
    this.mqtt.handle(STATUS_TOPICS, (message) => this.takeStatus(message));
    this.mappings.onChange(() => this.handleMapped());
    this.handleMapped();
  }

  private handleMapped(): void {
    const stopBefore = this.stopHandling;
    this.stopHandling = [...this.mappings.all()].map(([topic, rows]) =>
      this.mqtt.handle(topic, (message) => this.takeMapped(message, rows)),
    );
    for (const stop of stopBefore) stop();
  }

  private async takeReadings(message: Message): Promise<boolean> {
    const { systemId, part } = partsOf(message.topic);
    if (isErrorsTopic(part) || message.isOld) return this.count('ignored');
    const problem = nameProblem(systemId) ?? sizeProblem(message.payload);
    if (problem) return this.refuse(message, systemId, [problem]);
    try {
      const parsed = parsePayload(message.payload, part);
      const items = Array.isArray(parsed) ? parsed : await this.resolve(parsed, systemId, message.arrivedAt);
      return await this.store(message, systemId, items);
    } catch (error) {
      if (error instanceof PayloadError) return this.refuse(message, systemId, [error.refusal]);
      throw error;
    }
  }

  private async takeMapped(message: Message, rows: MappingRow[]): Promise<boolean> {
    const { from } = message;
    // A device's key reaches what is mapped for its own system, even where others have mapped the topic as well.
    const own = from?.role === 'device' ? rows.filter((row) => row.system_id === from.systemId) : rows;
    const problem = sizeProblem(message.payload);
    const results: boolean[] = [];
    for (const [systemId, mapped] of grouped(own, (row) => row.system_id)) {
      if (problem) {
        results.push(this.refuse(message, systemId, [problem]));
        continue;
      }
      try {
        for (const { device_id } of mapped) {
          if (device_id !== null) await this.takeStatusOf(message, systemId, device_id);
        }
        const items = message.isOld ? [] : mappedItems(message, mapped);
        results.push(items.length === 0 ? this.count('ignored') : await this.store(message, systemId, items));
      } catch (error) {
        if (!(error instanceof PayloadError)) throw error;
        results.push(this.refuse(message, systemId, [error.refusal]));
      }
    }
    return results.some(Boolean);
  }

  private takeStatus(message: Message): Promise<boolean> {
    const { systemId, part } = partsOf(message.topic);
    return this.takeStatusOf(message, systemId, part!);
  }

  /** What a device, or the broker in its name, says of whether it is there. */
  private async takeStatusOf(message: Message, systemId: string, deviceId: string): Promise<boolean> {
    const says = message.payload.subarray(0, 16).toString().trim().toLowerCase();
    if (says !== 'online' && says !== 'offline') return this.count('ignored');
    const own = message.from?.deviceId ?? null;
    if (own !== null && own !== deviceId) return this.refuse(message, systemId, [FORBIDDEN.refusal]);
    return this.unlessRefused(message, systemId, async () => {
      await this.systems.findDevice(systemId, deviceId);
      if (says === 'offline') await this.devices.wentOffline(systemId, deviceId, 'last-will');
      else if (!message.isOld) this.devices.seen(systemId, deviceId, { at: message.arrivedAt });
      return true;
    });
  }

  private noteConnection({ systemId, deviceId }: KeyHolder, isOnline: boolean): void {
    if (systemId === null || deviceId === null) return;
    if (isOnline) this.devices.seen(systemId, deviceId, { at: this.clock.now() });
    else void this.devices.wentOffline(systemId, deviceId, 'disconnected');
  }

  private async resolve({ senml }: SenmlPack, systemId: string, arrivedAt: number): Promise<Item[]> {
    const { sensors } = await this.systems.ingestView(systemId);
    return parseSenml(senml, systemId, sensors, arrivedAt);
  }

  private async store(message: Message, systemId: string, items: Item[]): Promise<boolean> {
    if (items.length > MAX_BATCH) {
      const refusal = refuse(
        'MQTT.TOO_MANY',
        '',
        `at most ${MAX_BATCH} readings fit in a message`,
        `${MAX_BATCH}`,
      );
      return this.refuse(message, systemId, [refusal.refusal]);
    }
    return this.unlessRefused(message, systemId, async () => {
      if (message.from?.role === 'device') await this.pace.wait(message.from.keyId, items.length);
      const stored = await this.ingest.ingest(systemId, items, message.arrivedAt);
      const { from, arrivedAt } = message;
      // Without a key to tell, it comes from devices.
      if (from === undefined || from.role === 'device') {
        await this.devices.heard(systemId, from?.deviceId ?? null, items, arrivedAt);
      }
      if (stored.refused === 0) {
        this.counter.inc({ outcome: 'taken' });
        return true;
      }
      const refusals = stored.results.flatMap(({ error }, index) =>
        error ? [items.length > 1 ? { ...error, field: `${index}.${error.field}` } : error] : [],
      );
      const isAll = stored.refused === items.length;
      this.refuse(message, systemId, refusals, isAll ? 'refused' : 'partly-refused');
      return !isAll;
    });
  }

  /** What is said of the sender is refused; what happens to us is not acknowledged. */
  private async unlessRefused(
    message: Message,
    systemId: string,
    act: () => Promise<boolean>,
  ): Promise<boolean> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof Problem && error.type.status < 500) {
        const { code, title } = error.type;
        return this.refuse(message, systemId, [{ code, field: '', message: title }]);
      }
      this.counter.inc({ outcome: 'failed' });
      if (this.logged.lets('failed')) this.logger.error({ err: error }, 'MQTT message not acknowledged');
      throw error;
    }
  }

  /** @returns that subscribers need not see it. */
  private refuse(
    message: Pick<Message, 'topic' | 'from'>,
    systemId: string,
    refusals: Refusal[],
    outcome: Outcome = 'refused',
  ): false {
    const { topic, from } = message;
    const codes = [...new Set(refusals.map(({ code }) => code))];
    if (this.logged.lets(codes.join())) {
      this.logger.warn({ topic: topic.slice(0, 200), keyId: from?.keyId, codes }, 'MQTT message refused');
    }
    if (SLUG.test(systemId) && this.told.lets(systemId)) {
      const errors = refusals.slice(0, MOST_ERRORS_TOLD);
      const detail = `${refusals.length} of what ${topic.slice(0, 200)} brought was refused`;
      this.mqtt.publish(
        errorsTopic(systemId),
        JSON.stringify(MESSAGE_REFUSED.details({ detail, errors, extra: { topic: topic.slice(0, 200) } })),
      );
    }
    return this.count(outcome);
  }

  private count(outcome: Outcome): false {
    this.counter.inc({ outcome });
    return false;
  }
}

function nameProblem(systemId: string): Refusal | undefined {
  if (SLUG.test(systemId)) return undefined;
  return refuse('MQTT.TOPIC', 'topic', 'the second level of the topic is no name of a system').refusal;
}

function sizeProblem(payload: Buffer): Refusal | undefined {
  if (payload.length <= MAX_PAYLOAD_BYTES) return undefined;
  const limit = `${MAX_PAYLOAD_BYTES} bytes`;
  return refuse('MQTT.PAYLOAD_TOO_LARGE', '', `the payload is larger than ${limit}`, limit).refusal;
}

/** @throws PayloadError */
function mappedItems({ payload }: Message, rows: MappingRow[]): Item[] {
  const items: Item[] = [];
  let json: unknown;
  for (const { sensor_id: sensor, field, scale, shift } of rows) {
    if (sensor === null) continue;
    const text = textOf(payload);
    if (field !== '') json ??= jsonOf(text);
    const found = field === '' ? numberOf(text) : figureOf(fieldOf(json, field));
    // Another message of the same topic may well have it.
    if (found === undefined && field !== '' && fieldOf(json, field) === undefined) continue;
    if (found === undefined) {
      items.push(refuse('READING.VALUE_TYPE', field, 'what is mapped must be a number, or null'));
      continue;
    }
    const observedAt = timeOf(json);
    const value = found === null ? null : found * scale + shift;
    items.push({ sensor, value, ...(observedAt !== undefined && { observedAt }) });
  }
  return items;
}

const figureOf = (found: unknown): number | null | undefined =>
  typeof found === 'number' || found === null
    ? found
    : typeof found === 'string'
      ? numberOf(found.trim())
      : undefined;

/** Tasmota's `Time` is the device's local one, without an offset unless it is told to give one: then it is of no use. */
function timeOf(json: unknown): number | undefined {
  const time = parseInstant(fieldOf(json, 'Time'));
  return Number.isNaN(time) ? undefined : time;
}
