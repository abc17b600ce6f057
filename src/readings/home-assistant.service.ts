import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { Logger } from 'pino';

import { Clock } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Events } from '../platform/events.js';
import { LOGGER } from '../platform/logging.js';
import { Mqtt } from '../platform/mqtt/mqtt.js';
import { staleAfterMsOf } from '../systems/systems.repository.js';
import { DevicesService } from '../systems/devices.service.js';
import { SystemsService } from '../systems/systems.service.js';
import { announcement, type Entity, sensorEntity } from './home-assistant.js';
import { availabilityTopic, stateTopic } from './protocols/mqtt-topics.js';
import { ReadingsRepository } from './readings.repository.js';

/** States go out this often at the most: a person looks at them, or a rule for people. */
const STATE_EVERY_MS = 1_000;
/** Home Assistant subscribes to what was announced before it hears of its states. */
const SETTLE_MS = 2_000;

/** Home Assistant's word for a value that is not known. */
const UNKNOWN = 'None';

/** What has something to show, room by room. */
export interface EntitySource {
  entities(systemId: string): Promise<Entity[]>;
  /** Now is the time to publish them all, since nobody may have heard of them yet. */
  publishStates(systemId: string): Promise<void>;
}

/** Sensors, and what other rooms add, as entities of Home Assistant: announced, available or not, with their states. */
@Injectable()
export class HomeAssistantService implements OnModuleInit, OnApplicationShutdown {
  private readonly sources: EntitySource[] = [];
  private readonly announced = new Map<string, Set<string>>();
  /** Sensors with new readings, by their system. */
  private changed = new Map<string, Set<number>>();
  /** What was said of each sensor last, so that what stays unknown is said once. */
  private readonly said = new Map<number, string>();
  private readonly stopListening: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly mqtt: Mqtt,
    private readonly systems: SystemsService,
    private readonly devices: DevicesService,
    private readonly readings: ReadingsRepository,
    private readonly events: Events,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.add({
      entities: async (systemId) => (await this.systems.sensors(systemId)).map(sensorEntity),
      publishStates: async (systemId) => {
        const sensors = await this.systems.sensors(systemId);
        for (const { number } of sensors) this.said.delete(number);
        await this.publishSensors(systemId, new Set(sensors.map(({ number }) => number)));
      },
    });
  }

  add(source: EntitySource): void {
    this.sources.push(source);
  }

  onModuleInit(): void {
    const { homeAssistantPrefix: prefix } = this.config;
    if (prefix === undefined) return;
    const listen = this.stopListening;
    this.mqtt.onConnected(() => this.announceAll());
    listen.push(
      this.mqtt.handle(`${prefix}/status`, ({ payload }) => {
        if (payload.toString() === 'online') this.announceAll();
        return Promise.resolve();
      }),
      this.events.on('system.parts-changed', ({ systemId }) => this.inTurn(() => this.announce(systemId))),
      this.events.on('readings.committed', ({ systemIds, sensors }) => this.noteChanged(systemIds, sensors)),
      this.events.on('device.online', ({ systemId, deviceId }) => this.showDevice(systemId, deviceId, true)),
      this.events.on('device.offline', ({ systemId, deviceId }) =>
        this.showDevice(systemId, deviceId, false),
      ),
    );
    this.timer = setInterval(() => this.publishChanged(), STATE_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    for (const stop of this.stopListening) stop();
  }

  private announceAll(): void {
    this.inTurn(async () => {
      for (const { id } of await this.systems.list()) await this.announce(id);
    });
  }

  private async announce(systemId: string): Promise<void> {
    const prefix = this.config.homeAssistantPrefix!;
    const system = await this.systems.find(systemId);
    const devices = await this.devices.list(systemId);
    const names = new Map(devices.map(({ id, name }) => [id, name]));
    const topics = new Set<string>();
    for (const source of this.sources) {
      for (const entity of await source.entities(systemId)) {
        const name = names.get(entity.deviceId) ?? entity.deviceId;
        const { topic, payload } = announcement(prefix, system, name, entity);
        topics.add(topic);
        this.mqtt.publish(topic, payload, { retain: true, qos: 1 });
      }
    }
    for (const gone of this.announced.get(systemId) ?? []) {
      if (!topics.has(gone)) this.mqtt.publish(gone, '', { retain: true, qos: 1 });
    }
    this.announced.set(systemId, topics);
    // What was never heard is not missed: a person or a program may report for it.
    for (const { id, online, since } of devices) this.showDevice(systemId, id, online || since === null);
    setTimeout(() => {
      for (const source of this.sources) this.inTurn(() => source.publishStates(systemId));
    }, SETTLE_MS).unref();
  }

  private showDevice(systemId: string, deviceId: string, isOnline: boolean): void {
    const says = isOnline ? 'online' : 'offline';
    this.mqtt.publish(availabilityTopic(systemId, deviceId), says, { retain: true, qos: 1 });
  }

  private noteChanged(systemIds: string[], sensors: number[]): void {
    if (!this.mqtt.isHeard()) return;
    for (const systemId of systemIds) {
      const changed = this.changed.get(systemId) ?? new Set();
      for (const sensor of sensors) changed.add(sensor);
      this.changed.set(systemId, changed);
    }
  }

  private publishChanged(): void {
    const { changed } = this;
    this.changed = new Map();
    for (const [systemId, sensors] of changed) this.inTurn(() => this.publishSensors(systemId, sensors));
  }

  /** The newest value where it is good and fresh; that it is unknown where it was known before. */
  private async publishSensors(systemId: string, numbers: Set<number>): Promise<void> {
    const { sensorsByNumber } = await this.systems.ingestView(systemId);
    const own = [...numbers].filter((number) => sensorsByNumber.has(number));
    const newest = await this.readings.latest(own);
    for (const number of own) {
      const sensor = sensorsByNumber.get(number)!;
      const reading = newest.get(number);
      if (!reading) continue;
      const isFresh = this.clock.now() - reading.observed_at <= staleAfterMsOf(sensor);
      // What is late is history.
      if (!isFresh) continue;
      const says = reading.quality === 0 ? String(reading.value) : UNKNOWN;
      if (says === UNKNOWN && this.said.get(number) === UNKNOWN) continue;
      this.said.set(number, says);
      this.mqtt.publish(stateTopic(systemId, sensor.id), says);
    }
  }

  /** One after the other: an older announcement must not come after a newer one. */
  private inTurn(act: () => Promise<void>): void {
    this.turn = this.turn.then(act).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Home Assistant could not be told');
    });
  }
}
