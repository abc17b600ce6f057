import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Logger } from 'pino';

import type { Role } from '../auth/access.js';
import { type KeyHolder, KeysService } from '../auth/keys.service.js';
import { Clock } from '../clock.js';
import { CONFIG, type Config } from '../config.js';
import { Events } from '../events.js';
import { HealthRegistry } from '../health/health.registry.js';
import { LOGGER } from '../logging.js';
import { Metrics } from '../metrics/metrics.js';
import { covers, matches } from './topics.js';
import type { Handler, Message, PublishOptions, Transport, Users } from './transport.js';

export type { Handler, Message } from './transport.js';

interface Registration {
  filter: string;
  handler: Handler;
}

const MOST_TOPICS = 10_000;
const FREE_ROLES: Role[] = ['operator', 'admin'];

/** MQTT, whoever is the broker: this very process, or one elsewhere that it is a client of. */
@Injectable()
export class Mqtt implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private transport: Transport | undefined;
  private readonly registrations = new Set<Registration>();
  /** By topic; emptied when a handler comes or goes. */
  private handlersByTopic = new Map<string, Handler[]>();
  private confine: (systemId: string) => string[] = () => [];
  private readonly whenConnected: (() => void)[] = [];
  private readonly forbiddenListeners: ((holder: KeyHolder, topic: string) => void)[] = [];
  private readonly presenceListeners: ((holder: KeyHolder, isOnline: boolean) => void)[] = [];

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly keys: KeysService,
    private readonly clock: Clock,
    private readonly events: Events,
    private readonly metrics: Metrics,
    private readonly health: HealthRegistry,
  ) {}

  /** @returns what ends it. */
  handle(filter: string, handler: Handler): () => void {
    const registration = { filter, handler };
    this.registrations.add(registration);
    this.handlersChanged();
    return () => {
      this.registrations.delete(registration);
      this.handlersChanged();
    };
  }

  /** Nothing is kept for a broker that is out of reach: `onConnected` tells when to say again what should last. */
  publish(topic: string, payload: string, { retain = false, qos = 0 }: PublishOptions = {}): void {
    this.transport?.publish(topic, payload, { retain, qos });
  }

  /** Says which topics the keys of a system's devices reach; other keys reach all. */
  confineDevicesTo(filtersOf: (systemId: string) => string[]): void {
    this.confine = filtersOf;
  }

  /** Each time that the broker can be spoken to: at the start, and when an external one is back. */
  onConnected(listener: () => void): void {
    this.whenConnected.push(listener);
  }

  /** When a device publishes to a topic that is not its own: it is acknowledged, and nothing else comes of it. */
  onForbidden(listener: (holder: KeyHolder, topic: string) => void): void {
    this.forbiddenListeners.push(listener);
  }

  /**
   * When the first connection of a key comes, and when its last one breaks off and does not come back; the embedded
   * broker alone knows. One that says goodbye has not broken off: a device that sleeps between readings does so.
   */
  onPresence(listener: (holder: KeyHolder, isOnline: boolean) => void): void {
    this.presenceListeners.push(listener);
  }

  /** Whether there is anyone who may hear what is published. */
  isHeard(): boolean {
    return this.transport?.isHeard() ?? false;
  }

  /** Where devices reach the broker in this process, if there is one. */
  port(): number | undefined {
    return this.transport?.port();
  }

  /** For people: where devices find the broker. */
  addresses(): string[] {
    return this.transport?.addresses() ?? [];
  }

  async onApplicationBootstrap(): Promise<void> {
    this.transport = await this.choose();
    const { transport } = this;
    if (!transport) return;
    // A broker that is out of reach takes no replica out of service: HTTP works without it.
    this.health.register('mqtt', () => ({ ready: true, ...transport.facts() }));
    await transport.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.transport?.stop();
  }

  /** Only what is used is loaded: either takes some 20 MB. */
  private async choose(): Promise<Transport | undefined> {
    const { mqtt, host } = this.config;
    const users: Users = {
      receive: (message) => this.receive(message),
      mayPublish: (holder, topic) =>
        FREE_ROLES.includes(holder.role) || this.reachOf(holder).some((filter) => matches(filter, topic)),
      maySubscribe: (holder, filter) =>
        FREE_ROLES.includes(holder.role) || this.reachOf(holder).some((wide) => covers(wide, filter)),
      forbidden: (holder, topic) => this.forbiddenListeners.forEach((listener) => listener(holder, topic)),
      filters: () => this.filters(),
      connected: () => this.whenConnected.forEach((listener) => listener()),
      presence: (holder, isOnline) =>
        this.presenceListeners.forEach((listener) => listener(holder, isOnline)),
    };
    if (mqtt.url) {
      const { ExternalBroker } = await import('./external-broker.js');
      return new ExternalBroker({ ...mqtt, url: mqtt.url }, users, this.clock, this.logger);
    }
    if (mqtt.port === undefined && !mqtt.tls) return undefined;
    const { EmbeddedBroker } = await import('./embedded-broker.js');
    return new EmbeddedBroker(
      { ...mqtt, host },
      users,
      this.keys,
      this.events,
      this.clock,
      this.logger,
      this.metrics,
    );
  }

  private reachOf(holder: KeyHolder): string[] {
    return holder.systemId === null ? [] : this.confine(holder.systemId);
  }

  private async receive(message: Message): Promise<boolean> {
    const handlers = this.handlersOf(message.topic);
    if (handlers.length === 1) return (await handlers[0]!(message)) !== false;
    const results = await Promise.all(handlers.map((handler) => handler(message)));
    return results.every((result) => result !== false);
  }

  private handlersOf(topic: string): Handler[] {
    const known = this.handlersByTopic.get(topic);
    if (known) return known;
    const found = [...this.registrations].filter(({ filter }) => matches(filter, topic));
    const handlers = found.map(({ handler }) => handler);
    if (this.handlersByTopic.size >= MOST_TOPICS) this.handlersByTopic.clear();
    this.handlersByTopic.set(topic, handlers);
    return handlers;
  }

  private filters(): string[] {
    const all = [...new Set([...this.registrations].map(({ filter }) => filter))];
    return all.filter((filter) => !all.some((wide) => wide !== filter && covers(wide, filter)));
  }

  private handlersChanged(): void {
    this.handlersByTopic = new Map();
    this.transport?.filtersChanged();
  }
}
