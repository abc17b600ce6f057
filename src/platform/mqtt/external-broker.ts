import { setTimeout as pause } from 'node:timers/promises';
import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import type { Logger } from 'pino';

import type { Clock } from '../clock.js';
import type { MqttConfig } from '../config.js';
import { Arrivals } from './arrivals.js';
import type { Message, PublishOptions, Transport, Users } from './transport.js';

/**
 * A connection acknowledges one message after another, each when it is durable; in a share group, several take turns.
 * The number is part of what the broker remembers (see below): with fewer, messages would wait for those that are gone.
 */
const SHARING_CONNECTIONS = 8;
const RECONNECT_MS = 2_000;
const CONNECT_MS = 10_000;
const RETRY_MS = 1_000;
const STOP_MS = 5_000;

interface Options extends MqttConfig {
  url: string;
}

/**
 * The client of a broker elsewhere. A message that its handler fails at is tried again here until it succeeds, and is not
 * acknowledged before: the broker keeps the ones behind it.
 *
 * Sessions: with a stable client id the broker keeps what arrives while we restart (clean: false), and sends again what
 * we had not acknowledged. But a session in a share group goes on drawing its share when its owner is gone for good, and
 * what it draws is lost until it returns; replicas that get new names at each deployment would leave many such behind.
 * So the session lasts only under a name that someone vouches for: MQTT_CLIENT_ID, one for each replica. On SQLite there
 * is one replica, and its name has a default. Without a name, sessions end with their connection.
 */
export class ExternalBroker implements Transport {
  private clients: MqttClient[] = [];
  private readonly arrivals: Arrivals;
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly subscribed = new Map<MqttClient, Set<string>>();
  private isStopping = false;
  private disconnectedSince: number | null;
  private lastError: string | null = null;

  constructor(
    private readonly options: Options,
    private readonly users: Users,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.arrivals = new Arrivals(() => clock.now());
    this.disconnectedSince = clock.now();
  }

  /** Does not wait for the broker: what needs none works without it. */
  start(): Promise<void> {
    const { url, shareGroup, clientId, caCert } = this.options;
    const name = clientId ?? `aquaponia-${crypto.randomUUID()}`;
    const count = shareGroup ? SHARING_CONNECTIONS : 1;
    for (let place = 0; place < count; place++) {
      const settings: IClientOptions = {
        clientId: place === 0 ? name : `${name}-${place}`,
        clean: clientId === undefined,
        reconnectPeriod: RECONNECT_MS,
        connectTimeout: CONNECT_MS,
        // We say ourselves what we subscribe to, and keep nothing for a broker that is away.
        resubscribe: false,
        queueQoSZero: false,
        ...(caCert && { ca: caCert }),
      };
      this.add(connect(url, settings), place === 0);
    }
    return Promise.resolve();
  }

  filtersChanged(): void {
    for (const client of this.clients) if (client.connected) this.subscribe(client);
  }

  publish(topic: string, payload: string, options: Required<PublishOptions>): void {
    const [client] = this.clients;
    if (!client?.connected) return;
    client.publish(topic, payload, options, (error) => {
      if (error) this.logger.debug({ topic, error: error.message }, 'MQTT message not published');
    });
  }

  isHeard(): boolean {
    return this.clients[0]?.connected ?? false;
  }

  port(): undefined {
    return undefined;
  }

  addresses(): string[] {
    const { protocol, host } = new URL(this.options.url);
    return [`${protocol}//${host} (external)`];
  }

  facts(): Record<string, unknown> {
    const connections = this.clients.filter((client) => client.connected).length;
    const since = this.disconnectedSince;
    return {
      broker: 'external',
      connected: since === null,
      connections,
      ...(since !== null && {
        disconnectedSeconds: Math.round((this.clock.now() - since) / 1000),
        error: this.lastError,
      }),
    };
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    if (this.options.clientId === undefined) {
      // Nothing new shall be handed to sessions that are about to end.
      await this.forEachConnected((client) =>
        client.unsubscribeAsync([...(this.subscribed.get(client) ?? [])]),
      );
    }
    await Promise.race([Promise.allSettled(this.underWay), pause(STOP_MS, undefined, { ref: false })]);
    await Promise.race([
      Promise.allSettled(this.clients.map((client) => client.endAsync())),
      pause(STOP_MS, undefined, { ref: false }),
    ]);
  }

  private add(client: MqttClient, isFirst: boolean): void {
    this.clients.push(client);
    client.on('connect', (connack) => {
      if (!connack.sessionPresent) this.subscribed.delete(client);
      this.subscribe(client);
      if (!isFirst) return;
      this.disconnectedSince = null;
      this.logger.info({ host: client.options.host }, 'MQTT broker connected');
      this.users.connected();
    });
    client.on('close', () => {
      if (!isFirst || this.disconnectedSince !== null) return;
      this.disconnectedSince = this.clock.now();
      if (!this.isStopping) this.logger.warn({ error: this.lastError }, 'MQTT broker disconnected');
    });
    client.on('error', (error) => {
      // Once a change, not once an attempt.
      if (this.lastError !== error.message)
        this.logger.warn({ error: error.message }, 'MQTT broker out of reach');
      this.lastError = error.message;
    });
    client.handleMessage = (packet, done) => {
      const handled = this.receive(client, packet);
      this.underWay.add(handled);
      void handled.then(
        () => done(),
        // Only at the end of this process: the broker keeps it.
        () => undefined,
      );
      void handled.finally(() => this.underWay.delete(handled)).catch(() => undefined);
    };
  }

  /** What is new is subscribed to, what is gone is not any more. */
  private subscribe(client: MqttClient): void {
    const prefix = this.options.shareGroup ? `$share/${this.options.shareGroup}/` : '';
    const wanted = new Set(this.users.filters().map((filter) => prefix + filter));
    const present = this.subscribed.get(client) ?? new Set<string>();
    const added = [...wanted].filter((filter) => !present.has(filter));
    const removed = [...present].filter((filter) => !wanted.has(filter));
    this.subscribed.set(client, wanted);
    if (added.length > 0) {
      client.subscribe(added, { qos: 1 }, (error, granted) => {
        const refused = granted?.filter(({ qos }) => qos > 2).map(({ topic }) => topic) ?? [];
        if (!error && refused.length === 0) return;
        this.logger.warn({ error: error?.message, refused }, 'MQTT broker refused a subscription');
        if (error) this.subscribed.delete(client);
      });
    }
    if (removed.length > 0) client.unsubscribe(removed);
  }

  private async receive(client: MqttClient, packet: IPublishPacket): Promise<void> {
    const payload = Buffer.isBuffer(packet.payload) ? packet.payload : Buffer.from(packet.payload);
    const { messageId, topic, dup: isRedelivery } = packet;
    const clientId = client.options.clientId!;
    const arrivedAt = this.arrivals.timeOf({ clientId, messageId, isRedelivery, topic, payload });
    // What is passed on as it comes carries no such flag (MQTT 3.1.1, 3.3.1.3).
    const message: Message = { topic, payload, arrivedAt, isOld: packet.retain };
    for (;;) {
      try {
        await this.users.receive(message);
        return;
      } catch (error) {
        if (this.isStopping) throw error;
        await pause(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  private async forEachConnected(act: (client: MqttClient) => Promise<unknown>): Promise<void> {
    const acted = Promise.allSettled(this.clients.filter((client) => client.connected).map(act));
    await Promise.race([acted, pause(STOP_MS, undefined, { ref: false })]);
  }
}
