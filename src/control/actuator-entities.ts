import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';

import { Clock } from '../platform/clock.js';
import { Mqtt } from '../platform/mqtt/mqtt.js';
import { type Entity, titleOf } from '../readings/home-assistant.js';
import { HomeAssistantService } from '../readings/home-assistant.service.js';
import { ACTUATOR_KINDS } from '../systems/actuators.js';
import type { ActuatorRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { ROOT_TOPIC } from '../systems/topics.js';
import { ControlRepository } from './control.repository.js';

/** Commands end by themselves, and other replicas issue some: what holds is looked up. */
const LOOK_EVERY_MS = 5_000;

const stateTopic = (systemId: string, actuatorId: string): string =>
  `${ROOT_TOPIC}/${systemId}/actuator/${actuatorId}/state`;

/**
 * Actuators as entities of Home Assistant: what each was last told, in per cent, and its safe state once that has
 * expired. Nothing can be commanded there: what reaches an actuator passes the interlocks, behind a decision.
 */
@Injectable()
export class ActuatorEntities implements OnModuleInit, OnApplicationShutdown {
  private readonly said = new Map<string, string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly homeAssistant: HomeAssistantService,
    private readonly systems: SystemsService,
    private readonly repository: ControlRepository,
    private readonly mqtt: Mqtt,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.homeAssistant.add({
      entities: async (systemId) => (await this.systems.actuators(systemId)).map(entityOf),
      publishStates: async (systemId) => {
        for (const topic of this.said.keys()) {
          if (topic.startsWith(`${ROOT_TOPIC}/${systemId}/`)) this.said.delete(topic);
        }
        await this.publish(systemId);
      },
    });
    this.timer = setInterval(() => void this.publishAll().catch(() => undefined), LOOK_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async publishAll(): Promise<void> {
    if (!this.mqtt.isHeard()) return;
    for (const { id } of await this.systems.list()) await this.publish(id);
  }

  private async publish(systemId: string): Promise<void> {
    const commanded = await this.repository.commandedPercents(systemId, this.clock.now());
    for (const { id, kind } of await this.systems.actuators(systemId)) {
      const percent = String(commanded.get(id) ?? ACTUATOR_KINDS[kind].safePercent);
      const topic = stateTopic(systemId, id);
      if (this.said.get(topic) === percent) continue;
      this.said.set(topic, percent);
      this.mqtt.publish(topic, percent);
    }
  }
}

const entityOf = ({ system_id, id, device_id }: ActuatorRow): Entity => ({
  id: `actuator_${id}`,
  deviceId: device_id,
  stateTopic: stateTopic(system_id, id),
  name: `${titleOf(id)} commanded`,
  unit: '%',
  icon: 'mdi:tune-vertical',
});
