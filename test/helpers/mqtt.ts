import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';

import type { Server } from './server.js';

/** A client of the server's own broker; `received` fills with what it is told. */
export class Client {
  readonly received: { topic: string; text: string; retain: boolean }[] = [];

  private constructor(readonly mqtt: MqttClient) {
    mqtt.on('message', (topic, payload, { retain }) =>
      this.received.push({ topic, text: payload.toString(), retain }),
    );
    // It connects again by itself.
    mqtt.on('error', () => undefined);
  }

  static async connect(port: number, password?: string, options: IClientOptions = {}): Promise<Client> {
    const settings = {
      reconnectPeriod: 100,
      ...(password && { username: 'a device', password }),
      ...options,
    };
    return new Client(await connectAsync(`mqtt://127.0.0.1:${port}`, settings));
  }

  /** Resolves when it is acknowledged. */
  async publish(topic: string, payload: string | Buffer, qos: 0 | 1 | 2 = 1): Promise<void> {
    await this.mqtt.publishAsync(topic, payload, { qos });
  }

  of(topic: string): string[] {
    return this.received.filter((message) => message.topic === topic).map(({ text }) => text);
  }

  async end(): Promise<void> {
    await this.mqtt.endAsync(true);
  }
}

/** The reason with which a CONNECT is refused; 0 where it is not. */
export async function connackOf(port: number, password?: string): Promise<number> {
  const client = await RawClient.connect(port, 'raw', password);
  const code = client.bytes[3]!;
  client.socket.destroy();
  return code;
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

/** Bytes as they go over the wire: for what no well-meaning client does. */
export class RawClient {
  bytes: Buffer = Buffer.alloc(0);

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => (this.bytes = Buffer.concat([this.bytes, chunk])));
    socket.on('error', () => undefined);
  }

  static async connect(port: number, id: string, password?: string): Promise<RawClient> {
    const client = new RawClient(connectSocket(port, '127.0.0.1'));
    const flags = password === undefined ? 2 : 0b1100_0010;
    const credentials = password === undefined ? [] : [text('u'), text(password)];
    const body = Buffer.concat([text('MQTT'), Buffer.from([4, flags, 0, 60]), text(id), ...credentials]);
    client.socket.write(Buffer.concat([Buffer.from([0x10, body.length]), body]));
    await client.until(4);
    return client;
  }

  publish(topic: string, payload: string, messageId: number, isRedelivery = false): void {
    const body = Buffer.concat([text(topic), Buffer.from([0, messageId]), Buffer.from(payload)]);
    this.socket.write(Buffer.concat([Buffer.from([isRedelivery ? 0x3a : 0x32, body.length]), body]));
  }

  async until(bytes: number): Promise<void> {
    while (this.bytes.length < bytes) await once(this.socket, 'data');
  }
}

/** A broker in another process, that can die and come back at the same port. */
export class ExternalBroker {
  port = 0;
  private child: ChildProcess;

  static async start(): Promise<ExternalBroker> {
    const broker = new ExternalBroker();
    await broker.launch();
    return broker;
  }

  async launch(): Promise<void> {
    this.child = fork(join(import.meta.dirname, 'external-broker.mjs'), [String(this.port)], {
      execArgv: [],
    });
    const [{ port }] = (await once(this.child, 'message')) as [{ port: number }];
    this.port = port;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

export async function deviceKey(server: Server, id: string, systemId: string): Promise<string> {
  const { body } = await server.post('/v1/keys', { id, role: 'device', systemId });
  return (body as { secret: string }).secret;
}
