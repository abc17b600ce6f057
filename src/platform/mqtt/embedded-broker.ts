import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { setTimeout as pause } from 'node:timers/promises';
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import type { Logger } from 'pino';
import type { Counter } from 'prom-client';

import { type KeyHolder, type KeysService, fingerprintOf } from '../auth/keys.service.js';
import type { Clock } from '../clock.js';
import { ConfigError, type MqttConfig } from '../config.js';
import type { Events } from '../events.js';
import type { Metrics } from '../metrics/metrics.js';
import { Arrivals } from './arrivals.js';
import { boundPackets, MAX_PAYLOAD_BYTES } from './bounded-packets.js';
import type { PublishOptions, Transport, Users } from './transport.js';

const MAX_CONNECTIONS = 1_000;
const MAX_SUBSCRIPTIONS = 100;
const CONNECT_MS = 10_000;
/** A device that sends without a pause must not come back without one either. */
const REFUSED_PAUSE_MS = 1_000;
const RECHECK_MS = 2_000;
const STOP_MS = 5_000;
const RETURN_MS = 3_000;
/** A subscriber that lets this much wait is cut off, so that neither the memory nor the senders suffer by it. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const MAX_RETAINED = 10_000;
const MAX_RETAINED_BYTES = 4 * 1024;

/** CONNACK's reasons to refuse (MQTT 3.1.1, 3.2.2.3). */
const UNAVAILABLE = 3;
const WRONG_PASSWORD = 4;
const NOT_AUTHORISED = 5;

interface Session {
  holder: KeyHolder;
  fingerprint: string;
  subscriptions: number;
}

interface Options extends MqttConfig {
  host: string;
}

/** Aedes, but that what nobody is to see ends here: a message costs half without a look for subscribers. */
class Broker extends Aedes {
  readonly withheld = new WeakSet<object>();
  readonly subscribers = new Set<Client>();

  override publish(packet: PublishPacket, ...rest: unknown[]): void {
    const done = rest.at(-1) as ((error?: Error | null) => void) | undefined;
    const isClients = rest.length > 1 && rest[0] !== null;
    if (isClients && (this.withheld.has(packet) || (this.subscribers.size === 0 && !packet.retain))) {
      done?.();
      return;
    }
    const publish = super.publish.bind(this) as (packet: PublishPacket, ...rest: unknown[]) => void;
    // Nobody waits for subscribers: a slow one would hold up those who publish.
    if (isClients) publish(packet, rest[0], () => undefined);
    else publish(packet, () => undefined);
    done?.();
  }
}

/**
 * The broker in this process. A PUBLISH of QoS 1 or 2 is acknowledged when its handler says that it is done with; where
 * the handler fails, that client's connection ends, since by MQTT 3.1.1 a client sends again only when it comes back.
 * It keeps no sessions: a queue for subscribers that are away would be memory that anybody with a key can fill, and what
 * a client itself has to send again, it does without one.
 */
export class EmbeddedBroker implements Transport {
  private broker: Broker;
  private readonly servers: Server[] = [];
  /** Who each client is, from its CONNECT on. */
  private readonly sessions = new WeakMap<Client, Session>();
  private readonly connected = new Set<Client>();
  private readonly connectionsByKey = new Map<string, number>();
  /** Keys whose last connection broke off, and may be back in a moment. */
  private readonly missed = new Map<string, NodeJS.Timeout>();
  private readonly arrivals: Arrivals;
  private readonly retained = new Set<string>();
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly dropped: Counter<'reason'>;
  private readonly stopListening: () => void;
  private recheck: NodeJS.Timeout;
  private isStopping = false;
  private ports: Record<string, number> = {};

  constructor(
    private readonly options: Options,
    private readonly users: Users,
    private readonly keys: KeysService,
    events: Events,
    clock: Clock,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.arrivals = new Arrivals(() => clock.now());
    this.stopListening = events.on('key.revoked', () => void this.dropRevoked());
    this.dropped = metrics.counter(
      'mqtt_dropped_total',
      'What the MQTT broker cut off or dropped, by reason',
      ['reason'],
    );
    metrics.gauge('mqtt_clients', 'Clients of the MQTT broker', [], (gauge) =>
      gauge.set(this.connected.size),
    );
  }

  async start(): Promise<void> {
    this.broker = new Broker({
      concurrency: 0,
      connectTimeout: CONNECT_MS,
      drainTimeout: CONNECT_MS,
      queueLimit: 10,
      maxInflightInbound: 20,
      maxTopicLevels: 16,
      preConnect: (client, packet, done) => {
        packet.clean = true;
        // Aedes would not see a ping behind messages that wait for their acknowledgement; the socket hears everything.
        const socket = client.conn as Socket;
        if (packet.keepalive) {
          socket.setTimeout(packet.keepalive * 1_500, () => socket.destroy(new Error('keep alive timeout')));
        }
        packet.keepalive = 0;
        done(null, true);
      },
      authenticate: (client, _username, password, done) => {
        this.authenticate(client, password).then(
          () => done(null, true),
          (error: AuthenticateError) => done(error, false),
        );
      },
      authorizePublish: (client, packet, done) => this.authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        const session = this.sessions.get(client);
        const isAllowed =
          session !== undefined &&
          ++session.subscriptions <= MAX_SUBSCRIPTIONS &&
          // $SYS is for nobody, and shared subscriptions are for brokers that have them.
          !subscription.topic.startsWith('$') &&
          this.users.maySubscribe(session.holder, subscription.topic);
        if (isAllowed) this.broker.subscribers.add(client);
        else this.dropped.inc({ reason: 'subscription-refused' });
        done(null, isAllowed ? subscription : null);
      },
      authorizeForward: (client, packet) => {
        if (client.conn.writableLength <= MAX_UNSENT_BYTES) return packet;
        this.dropped.inc({ reason: 'slow-subscriber' });
        client.conn.destroy();
        return null;
      },
    });
    this.broker.on('clientReady', (client) => this.arrived(client));
    this.broker.on('clientDisconnect', (client) => this.left(client));
    this.broker.on('clientError', (client, error) => this.tell(client, error));
    this.broker.on('connectionError', (client, error) => this.tell(client, error));
    await this.broker.listen();

    const { host, port, tls } = this.options;
    if (port !== undefined) {
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
      this.ports.mqttPort = await this.listen(server, 'connection', host, port, 'MQTT_PORT');
    }
    if (tls) {
      const server = createTlsServer({
        cert: readFileSync(tls.certFile),
        key: readFileSync(tls.keyFile),
        minVersion: 'TLSv1.2',
        handshakeTimeout: CONNECT_MS,
      });
      this.ports.mqttTlsPort = await this.listen(server, 'secureConnection', host, tls.port, 'MQTT_TLS_PORT');
    }
    this.logger.info(this.ports, 'MQTT broker listening');
    this.recheck = setInterval(() => void this.dropRevoked(), RECHECK_MS).unref();
    this.users.connected();
  }

  filtersChanged(): void {
    // Every message passes by anyway.
  }

  publish(topic: string, payload: string, { retain, qos }: Required<PublishOptions>): void {
    const packet = { cmd: 'publish' as const, topic, payload: Buffer.from(payload), retain, qos, dup: false };
    this.broker.publish(packet, () => undefined);
  }

  isHeard(): boolean {
    return this.broker.subscribers.size > 0;
  }

  port(): number | undefined {
    return this.ports.mqttPort;
  }

  addresses(): string[] {
    const { mqttPort, mqttTlsPort } = this.ports;
    return [
      ...(mqttPort === undefined ? [] : [`mqtt://localhost:${mqttPort}`]),
      ...(mqttTlsPort === undefined ? [] : [`mqtts://localhost:${mqttTlsPort}`]),
    ];
  }

  facts(): Record<string, unknown> {
    return { broker: 'embedded', ...this.ports, clients: this.connected.size };
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.recheck);
    this.stopListening();
    for (const server of this.servers) server.close();
    await Promise.race([Promise.allSettled(this.underWay), pause(STOP_MS, undefined, { ref: false })]);
    await new Promise<void>((resolve) => this.broker.close(resolve));
  }

  private async listen(
    server: Server,
    event: 'connection' | 'secureConnection',
    host: string,
    port: number,
    setting: string,
  ): Promise<number> {
    server.maxConnections = MAX_CONNECTIONS;
    server.on('drop', () => this.dropped.inc({ reason: 'too-many-connections' }));
    server.on(event, (socket: Socket) => {
      const client = this.broker.handle(socket);
      boundPackets(socket, () => this.sessions.has(client));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          error.code === 'EADDRINUSE'
            ? new ConfigError(
                `${setting} ${port} is in use: stop what listens there, or set another, or "off"`,
              )
            : error,
        ),
      );
      server.listen(port, host, resolve);
    });
    server.on('error', (error) => this.logger.error({ err: error }, 'MQTT listener failed'));
    this.servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  private async authenticate(client: Client, password: Buffer | undefined): Promise<void> {
    if (!password?.length) throw refusal(NOT_AUTHORISED, 'no key');
    const secret = password.toString();
    const holder = await this.keys.identify(secret).catch((error: unknown) => {
      this.logger.error({ err: error }, 'MQTT client could not be identified');
      throw refusal(UNAVAILABLE, 'keys cannot be looked up');
    });
    if (!holder) throw refusal(WRONG_PASSWORD, 'wrong key');
    // A client drives out the one of the same id (MQTT 3.1.1, 3.1.4): with one key, not with another's.
    client.id = `${holder.keyId}/${client.id}`;
    this.sessions.set(client, { holder, fingerprint: fingerprintOf(secret), subscriptions: 0 });
  }

  private authorizePublish(
    client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void {
    const session = client ? this.sessions.get(client) : undefined;
    // A will that this process itself sets free by its end says nothing of the device.
    if (!client || !session || this.isStopping) return done(new Error('closing'));
    const { holder } = session;
    if (packet.topic.startsWith('$') || !this.users.mayPublish(holder, packet.topic)) {
      this.dropped.inc({ reason: 'topic-forbidden' });
      this.logger.debug({ keyId: holder.keyId, topic: packet.topic }, 'MQTT topic not allowed');
      this.broker.withheld.add(packet);
      this.users.forbidden(holder, packet.topic);
      return done();
    }
    const payload = packet.payload as Buffer;
    const isRedelivery = packet.dup;
    const { messageId, topic } = packet;
    const arrivedAt = this.arrivals.timeOf({ clientId: client.id, messageId, isRedelivery, topic, payload });
    const handled = this.users.receive({ topic, payload, arrivedAt, from: holder }).then(
      (mayBeSeen) => {
        if (!mayBeSeen || payload.length > MAX_PAYLOAD_BYTES) this.broker.withheld.add(packet);
        else if (packet.retain) packet.retain = this.mayRetain(topic, payload);
        done();
      },
      async (error: unknown) => {
        this.dropped.inc({ reason: 'failed' });
        this.broker.withheld.add(packet);
        if (packet.qos === 0) return done();
        await pause(REFUSED_PAUSE_MS, undefined, { ref: false });
        done(error as Error);
      },
    );
    this.underWay.add(handled);
    void handled.finally(() => this.underWay.delete(handled));
  }

  /** What is retained stays in memory, and so has a bound. */
  private mayRetain(topic: string, payload: Buffer): boolean {
    if (payload.length === 0) {
      this.retained.delete(topic);
      return true;
    }
    const fits = payload.length <= MAX_RETAINED_BYTES;
    if (!fits || (this.retained.size >= MAX_RETAINED && !this.retained.has(topic))) return false;
    this.retained.add(topic);
    return true;
  }

  private arrived(client: Client): void {
    const { holder } = this.sessions.get(client)!;
    this.connected.add(client);
    const connections = (this.connectionsByKey.get(holder.keyId) ?? 0) + 1;
    this.connectionsByKey.set(holder.keyId, connections);
    clearTimeout(this.missed.get(holder.keyId));
    this.missed.delete(holder.keyId);
    if (connections === 1) this.users.presence(holder, true);
  }

  private left(client: Client): void {
    this.broker.subscribers.delete(client);
    if (!this.connected.delete(client)) return;
    const { holder } = this.sessions.get(client)!;
    const connections = this.connectionsByKey.get(holder.keyId)! - 1;
    if (connections > 0) {
      this.connectionsByKey.set(holder.keyId, connections);
      return;
    }
    this.connectionsByKey.delete(holder.keyId);
    if (hasSaidGoodbye(client)) return;
    // Bad Wi-Fi: most come back at once.
    const missed = setTimeout(() => {
      this.missed.delete(holder.keyId);
      if (!this.isStopping) this.users.presence(holder, false);
    }, RETURN_MS).unref();
    this.missed.set(holder.keyId, missed);
  }

  /** In this process a revocation is heard of at once, of another replica's within seconds. */
  private async dropRevoked(): Promise<void> {
    if (this.connected.size === 0) return;
    try {
      const valid = await this.keys.fingerprints();
      for (const client of this.connected) {
        const { fingerprint, holder } = this.sessions.get(client)!;
        if (valid.has(fingerprint)) continue;
        this.logger.info({ keyId: holder.keyId }, 'MQTT client cut off: its key was revoked');
        client.close();
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'keys of MQTT clients could not be checked');
    }
  }

  private tell(client: Client, error: Error): void {
    this.logger.debug({ client: client.id, error: error.message }, 'MQTT connection ended');
  }
}

/** Whether it ended with DISCONNECT, as a device does that goes to sleep. */
const hasSaidGoodbye = (client: Client): boolean =>
  (client as unknown as { _disconnected: boolean })._disconnected;

function refusal(returnCode: number, message: string): AuthenticateError {
  return Object.assign<Error, { returnCode: number }>(new Error(message), { returnCode });
}
