import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { once } from 'node:events';
import { connectAsync, type IClientOptions } from 'mqtt';

import { Client, connackOf, deviceKey, ExternalBroker, RawClient } from './helpers/mqtt.js';
import { ADMIN_KEY, GREENHOUSE, Server } from './helpers/server.js';

interface Reading {
  observedAt: string;
  value: number | null;
  raw: number | null;
  quality: string;
  reasons: string[];
}

async function readingsOf(server: Server, sensor: string, systemId = 'greenhouse'): Promise<Reading[]> {
  const { body } = await server.get(`/v1/systems/${systemId}/sensors/${sensor}/readings`);
  return (body as { readings: Reading[] }).readings;
}

const valuesOf = async (server: Server, sensor: string): Promise<(number | null)[]> =>
  (await readingsOf(server, sensor)).map(({ value }) => value);

describe('the broker in the process', () => {
  let server: Server;
  let key: string;
  let device: Client;
  let operator: Client;

  beforeAll(async () => {
    server = await Server.start({ AQUAPONIA_LOG_LEVEL: 'debug' });
    await server.post('/v1/systems', GREENHOUSE);
    await server.post('/v1/systems', { ...GREENHOUSE, id: 'other' });
    key = await deviceKey(server, 'esp32', 'greenhouse');
    device = await Client.connect(server.mqttPort, key);
    operator = await Client.connect(server.mqttPort, ADMIN_KEY);
    await operator.mqtt.subscribeAsync('aquaponia/#');
  });
  afterAll(async () => {
    await device.end();
    await operator.end();
    await server.stop();
  });

  it('tells its port, and says so in health', async () => {
    expect(server.output).toContain(`mqtt://localhost:${server.mqttPort}`);
    const { body } = await server.get('/health/ready');
    expect(body.parts.mqtt).toMatchObject({ ready: true, broker: 'embedded', mqttPort: server.mqttPort });
  });

  it('acknowledges a reading when it can be read', async () => {
    await device.publish('aquaponia/greenhouse/ph', '6.8');
    expect(await valuesOf(server, 'ph')).toEqual([6.8]);
    await device.publish('aquaponia/greenhouse/ph', '6.9', 2);
    expect(await valuesOf(server, 'ph')).toEqual([6.8, 6.9]);
    await device.publish('aquaponia/greenhouse/ph', '7.0', 0);
    await server.until(async () => (await valuesOf(server, 'ph')).length === 3, 'QoS 0 is stored');
  });

  it('takes JSON with a time of its own, once', async () => {
    const observedAt = new Date(Date.now() - 60_000).toISOString();
    const payload = JSON.stringify({ value: 26.4, observedAt });
    await device.publish('aquaponia/greenhouse/water-temperature', payload);
    await device.publish('aquaponia/greenhouse/water-temperature', payload);
    expect(await readingsOf(server, 'water-temperature')).toMatchObject([{ observedAt, value: 26.4 }]);
  });

  it('takes batches on the topic of the system', async () => {
    const batch = [
      { sensor: 'flow-rate', value: 12 },
      { sensor: 'nitrate', value: 40 },
    ];
    await device.publish('aquaponia/greenhouse', JSON.stringify(batch));
    await device.publish('aquaponia/greenhouse', JSON.stringify({ readings: batch }));
    expect(await valuesOf(server, 'flow-rate')).toEqual([12, 12]);
    expect(await valuesOf(server, 'nitrate')).toEqual([40, 40]);
  });

  it('takes SenML', async () => {
    const before = (await valuesOf(server, 'nitrate')).length;
    await device.publish(
      'aquaponia/greenhouse',
      '[{"bn":"urn:dev:mac:0024befffe804ff1:"},{"n":"nitrate","v":41}]',
    );
    await device.publish('aquaponia/greenhouse/nitrate', '[{"u":"mg/L","v":42}]');
    const values = await server.until(async () => {
      const found = (await valuesOf(server, 'nitrate')).slice(before);
      return found.length === 2 && found;
    }, 'both are there');
    expect(values).toEqual([41, 42]);
  });

  it('never makes a number of what a failed probe says', async () => {
    for (const says of ['nan', '', 'unavailable', 'null', '{"value":null}', '-127']) {
      await device.publish('aquaponia/greenhouse/air-temperature', says);
    }
    const readings = await readingsOf(server, 'air-temperature');
    expect(readings.map(({ quality }) => quality)).toEqual(Array(6).fill('bad'));
    expect(readings.map(({ value }) => value)).toEqual(Array(6).fill(null));
    expect(readings.map(({ raw }) => raw)).toEqual([null, null, null, null, null, -127]);
  });

  it('keeps two readings that arrive within a millisecond apart', async () => {
    await Promise.all(
      [1, 2, 3, 4, 5].map((lux) => device.publish('aquaponia/greenhouse/illuminance', `${lux}`)),
    );
    // They are a little ahead of the clock now, and what is asked for ends at it.
    await server.until(
      async () => (await valuesOf(server, 'illuminance')).length === 5,
      'all five are there',
    );
  });

  it('knows a number that is sent again because its acknowledgement was lost', async () => {
    const first = await RawClient.connect(server.mqttPort, 'again', key);
    first.publish('aquaponia/greenhouse/nitrite', '0.25', 7);
    await first.until(8);
    first.socket.destroy();
    const second = await RawClient.connect(server.mqttPort, 'again', key);
    second.publish('aquaponia/greenhouse/nitrite', '0.25', 7, true);
    await second.until(8);
    expect(await valuesOf(server, 'nitrite')).toEqual([0.25]);
    // Without the flag it is another one, whose id is free again.
    second.publish('aquaponia/greenhouse/nitrite', '0.25', 7);
    await second.until(12);
    expect(await valuesOf(server, 'nitrite')).toEqual([0.25, 0.25]);
    second.socket.destroy();
  });

  it('refuses strangers', async () => {
    expect(await connackOf(server.mqttPort)).toBe(5);
    expect(await connackOf(server.mqttPort, 'not-a-key')).toBe(4);
    expect(await connackOf(server.mqttPort, key)).toBe(0);
  });

  it('confines a device to the topics of its system', async () => {
    const granted = await device.mqtt
      .subscribeAsync(
        [
          'aquaponia/greenhouse/#',
          'aquaponia/other/#',
          'aquaponia/+/ph',
          '#',
          '$SYS/#',
          '$share/g/aquaponia/other/#',
        ],
        { qos: 1 },
      )
      .catch((error: { granted?: unknown }) => error);
    expect(granted).toBeInstanceOf(Error);
    await device.publish('aquaponia/other/ph', '6.1');
    await operator.publish('aquaponia/other/ph', '6.5');
    expect((await readingsOf(server, 'ph', 'other')).map(({ value }) => value)).toEqual([6.5]);
    await server.until(() => operator.of('aquaponia/other/ph').length === 1, 'the operator hears of it');
    expect(operator.of('aquaponia/other/ph')).toEqual(['6.5']);
    expect(device.received.filter(({ topic }) => !topic.startsWith('aquaponia/greenhouse'))).toEqual([]);
    const told = await server.until(
      () => operator.of('aquaponia/greenhouse/errors').find((error) => error.includes('MQTT.FORBIDDEN')),
      'the device is told',
    );
    expect(JSON.parse(told)).toMatchObject({ code: 'MQTT.REFUSED', topic: 'aquaponia/other/ph' });
  });

  it('does not let a device take the place of another', async () => {
    const otherKey = await deviceKey(server, 'other-esp32', 'other');
    const victim = await Client.connect(server.mqttPort, key, { clientId: 'same', reconnectPeriod: 0 });
    const intruder = await Client.connect(server.mqttPort, otherKey, {
      clientId: 'same',
      reconnectPeriod: 0,
    });
    await victim.publish('aquaponia/greenhouse/relative-humidity', '40').catch(() => undefined);
    expect(victim.mqtt.connected).toBe(true);
    await victim.end();
    await intruder.end();
  });

  it.each([
    ['a word', 'hello', 'MQTT.NOT_A_READING'],
    ['half an object', '{"value":', 'MQTT.NOT_A_READING'],
    ['a text', '{"value":"6.8"}', 'READING.VALUE_TYPE'],
    ['the future', '{"value":6.8,"observedAt":"2999-01-01T00:00:00Z"}', 'READING.FUTURE'],
    ['broken UTF-8', Buffer.from([0x36, 0xff, 0xfe]), 'MQTT.NOT_UTF8'],
    ['a megabyte', Buffer.alloc(1_000_000, '6'), 'MQTT.PAYLOAD_TOO_LARGE'],
  ])('acknowledges %s, says why it is refused, and stores nothing', async (_, payload, code) => {
    const before = await valuesOf(server, 'dissolved-oxygen');
    await device.publish('aquaponia/greenhouse/dissolved-oxygen', payload);
    await server.until(
      () => operator.of('aquaponia/greenhouse/errors').some((error) => error.includes(code)),
      'the refusal is told',
    );
    expect(await valuesOf(server, 'dissolved-oxygen')).toEqual(before);
    expect(operator.of('aquaponia/greenhouse/dissolved-oxygen')).toEqual([]);
  });

  it('takes what is good of a batch', async () => {
    const batch = [
      { sensor: 'turbidity', value: 1 },
      { sensor: 'total-ammonia-nitrogen', value: 0.5 },
    ];
    await device.publish('aquaponia/greenhouse', JSON.stringify(batch));
    expect(await valuesOf(server, 'total-ammonia-nitrogen')).toEqual([0.5]);
    const told = await server.until(
      () => operator.of('aquaponia/greenhouse/errors').find((error) => error.includes('SENSOR.NOT_FOUND')),
      'the refusal is told',
    );
    expect(JSON.parse(told).errors).toMatchObject([{ field: '0.sensor' }]);
  });

  it('counts what it took and what it did not', async () => {
    const { body } = await server.get('/metrics');
    expect(body).toMatch(/aquaponia_mqtt_messages_total\{outcome="taken"\} \d\d/);
    expect(body).toMatch(/aquaponia_mqtt_messages_total\{outcome="refused"\} \d/);
    expect(body).toMatch(/aquaponia_mqtt_messages_total\{outcome="partly-refused"\} 1/);
  });

  it('ends a connection that names a packet of 256 MB, and no other', async () => {
    const huge = await RawClient.connect(server.mqttPort, 'huge', key);
    huge.socket.write(Buffer.from([0x82, 0xff, 0xff, 0xff, 0x7f]));
    await once(huge.socket, 'close');
    await device.publish('aquaponia/greenhouse/relative-humidity', '41');
  });

  it('does not acknowledge what cannot be stored, and stores it once when it is sent again', async () => {
    const lock = new DatabaseSync(join(server.dataDir, 'aquaponia.db'));
    lock.exec('BEGIN IMMEDIATE');
    let isAcknowledged = false;
    const published = device.publish('aquaponia/greenhouse/canal-dissolved-oxygen', '6.5').then(() => {
      isAcknowledged = true;
    });
    await server.until(() => server.output.includes('MQTT message not acknowledged'), 'it fails');
    expect(isAcknowledged).toBe(false);
    lock.exec('ROLLBACK');
    lock.close();
    await published;
    expect(await valuesOf(server, 'canal-dissolved-oxygen')).toEqual([6.5]);
  });

  it('takes readings from the topics of other firmware, by a mapping that holds at once', async () => {
    const path = '/v1/systems/greenhouse/mqtt-mappings';
    const topic = 'tele/tank/SENSOR';
    const says = (celsius: number): string =>
      JSON.stringify({ Time: '2026-11-21T03:10:25', DS18B20: { Temperature: celsius }, TempUnit: 'C' });
    await device.publish(topic, says(20));
    const { body: mapping, status } = await server.post(path, {
      topic,
      field: 'DS18B20.Temperature',
      sensor: 'canal-water-temperature',
    });
    expect(status).toBe(201);
    await device.publish(topic, says(21.5));
    await device.publish(topic, says(-127));
    await device.publish(topic, '{"Time":"2026-11-21T03:10:25","DHT22":{}}');
    expect(await readingsOf(server, 'canal-water-temperature')).toMatchObject([
      { value: 21.5, quality: 'good' },
      { value: null, raw: -127, quality: 'bad' },
    ]);
    expect((await server.request('DELETE', `${path}/${mapping.id}`)).status).toBe(204);
    await device.publish(topic, says(22));
    expect(await valuesOf(server, 'canal-water-temperature')).toHaveLength(2);
  });

  it('takes plain states of ESPHome, scaled', async () => {
    const path = '/v1/systems/greenhouse/mqtt-mappings';
    const topic = 'tank-node/sensor/ec/state';
    await server.post(path, { topic, sensor: 'electrical-conductivity', scale: 1000 });
    await device.publish(topic, '1.25');
    await device.publish(topic, 'nan');
    expect(await valuesOf(server, 'electrical-conductivity')).toEqual([1250, null]);
    const otherKey = await deviceKey(server, 'neighbour', 'other');
    const neighbour = await Client.connect(server.mqttPort, otherKey);
    await neighbour.publish(topic, '9.99');
    expect(await valuesOf(server, 'electrical-conductivity')).toEqual([1250, null]);
    await neighbour.end();
  });

  it('refuses mappings that cannot work', async () => {
    const post = async (body: object): Promise<string> =>
      (await server.post('/v1/systems/greenhouse/mqtt-mappings', body)).body.code;
    const sensor = 'ph';
    expect(await post({ topic: 'aquaponia/greenhouse/x', sensor })).toBe('REQUEST.INVALID');
    expect(await post({ topic: '#', sensor })).toBe('REQUEST.INVALID');
    expect(await post({ topic: '+/ph', sensor })).toBe('REQUEST.INVALID');
    expect(await post({ topic: 'a//b', sensor })).toBe('REQUEST.INVALID');
    expect(await post({ topic: 'a/b', sensor, deviceId: 'water' })).toBe('REQUEST.INVALID');
    expect(await post({ topic: 'a/b' })).toBe('REQUEST.INVALID');
    expect(await post({ topic: 'a/b', sensor: 'none' })).toBe('SENSOR.NOT_FOUND');
    expect(await post({ topic: 'a/b', deviceId: 'none' })).toBe('DEVICE.NOT_FOUND');
    expect(await post({ topic: 'a/+/c', sensor })).toBeUndefined();
    expect(await post({ topic: 'a/+/c', sensor })).toBe('MQTT_MAPPING.TAKEN');
    expect(await post({ topic: 'a/b/+', sensor })).toBe('MQTT_MAPPING.OVERLAP');
  });

  it('cuts off a client whose key is revoked', async () => {
    const doomedKey = await deviceKey(server, 'doomed', 'greenhouse');
    const doomed = await Client.connect(server.mqttPort, doomedKey, { reconnectPeriod: 0 });
    const closed = new Promise<void>((resolve) => doomed.mqtt.once('close', resolve));
    await server.request('DELETE', '/v1/keys/doomed');
    await closed;
    expect(await connackOf(server.mqttPort, doomedKey)).toBe(4);
  });

  it('cuts off a subscriber that does not read, and nobody else waits for it', async () => {
    const slow = await RawClient.connect(server.mqttPort, 'slow', key);
    const filter = Buffer.from('aquaponia/greenhouse/#');
    slow.socket.write(
      Buffer.concat([
        Buffer.from([0x82, filter.length + 5, 0, 1, 0, filter.length]),
        filter,
        Buffer.from([0]),
      ]),
    );
    await slow.until(9);
    slow.socket.pause();
    const batch = Array.from({ length: 1_500 }, (_, index) => ({
      sensor: 'water-level',
      value: 50,
      observedAt: new Date(Date.now() - 10_000_000 - index * 1000).toISOString(),
    }));
    const payload = JSON.stringify(batch);
    await server.until(async () => {
      await device.publish('aquaponia/greenhouse', payload);
      const { body } = await server.get('/metrics');
      return /aquaponia_mqtt_dropped_total\{reason="slow-subscriber"\} [1-9]/.test(body as string);
    }, 'the slow one is cut off');
    slow.socket.destroy();
  });

  it('knows which devices are there', async () => {
    const onlineOf = async (id: string): Promise<boolean> =>
      (await server.get(`/v1/systems/greenhouse/devices/${id}`)).body.online;
    const becomes = (id: string, online: boolean) =>
      server.until(async () => (await onlineOf(id)) === online, `${id} is ${online ? 'there' : 'gone'}`);
    const detailOf = async (id: string): Promise<string> =>
      (await server.get(`/v1/systems/greenhouse/devices/${id}/events`)).body.events[0].detail;
    const { body } = await server.post('/v1/keys', {
      id: 'water-own',
      role: 'device',
      systemId: 'greenhouse',
      deviceId: 'climate',
    });
    const status = 'aquaponia/greenhouse/climate/status';
    const connect = (will?: IClientOptions['will']) =>
      Client.connect(server.mqttPort, body.secret, { reconnectPeriod: 0, ...(will && { will }) });

    // A connection of its own that breaks off.
    const first = await connect();
    await becomes('climate', true);
    first.mqtt.stream.destroy();
    await becomes('climate', false);
    expect(await detailOf('climate')).toBe('disconnected');

    // Of itself alone.
    const meddling = await connect();
    await becomes('climate', true);
    const isThere = await onlineOf('growing');
    await meddling.publish('aquaponia/greenhouse/growing/status', isThere ? 'offline' : 'online');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await onlineOf('growing')).toBe(isThere);
    await meddling.mqtt.endAsync();

    // Its last will.
    const second = await connect({ topic: status, payload: Buffer.from('offline'), qos: 1, retain: true });
    await second.publish(status, 'online');
    await becomes('climate', true);
    second.mqtt.stream.destroy();
    await becomes('climate', false);
    expect(await detailOf('climate')).toBe('last-will');
    const late = await Client.connect(server.mqttPort, ADMIN_KEY);
    await late.mqtt.subscribeAsync(status);
    await server.until(() => late.of(status).includes('offline'), 'the will is retained');
    await late.end();

    // Saying goodbye before it sleeps is no failure.
    const third = await connect();
    await becomes('climate', true);
    await third.mqtt.endAsync();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(await onlineOf('climate')).toBe(true);

    // What Tasmota says of itself.
    const mapping = { topic: 'tele/tank/LWT', deviceId: 'growing' };
    await server.post('/v1/systems/greenhouse/mqtt-mappings', mapping);
    await device.publish('tele/tank/LWT', 'Online');
    await becomes('growing', true);
    await device.publish('tele/tank/LWT', 'Offline');
    await becomes('growing', false);
  });

  it('knows a device by its readings', async () => {
    await device.publish('aquaponia/greenhouse/canal-dissolved-oxygen', '6.6');
    await server.until(
      async () => (await server.get('/v1/systems/greenhouse/devices/growing')).body.online,
      'it is there',
    );
  });

  it('tells a device that claims its key where to go', async () => {
    const { body: claim } = await server.post('/v1/systems/greenhouse/devices/water/claim');
    const { body } = await server.post('/v1/claims', { code: claim.code });
    expect(body.mqtt).toEqual({
      host: '127.0.0.1',
      port: server.mqttPort,
      username: body.keyId,
      topicPrefix: 'aquaponia/greenhouse/',
    });
    expect(await connackOf(server.mqttPort, body.key)).toBe(0);
  });

  it('is still there', async () => {
    await device.publish('aquaponia/greenhouse/relative-humidity', '42');
    expect((await valuesOf(server, 'relative-humidity')).at(-1)).toBe(42);
  });
});

describe('a device that sends too fast', () => {
  it('is made to wait, and nobody else; nothing is lost', async () => {
    const server = await Server.start({ AQUAPONIA_DEVICE_READINGS_PER_SECOND: '5' });
    await server.post('/v1/systems', GREENHOUSE);
    const [hasty, calm] = await Promise.all(
      ['hasty', 'calm'].map(async (id) =>
        Client.connect(server.mqttPort, await deviceKey(server, id, 'greenhouse')),
      ),
    );
    let acknowledged = 0;
    const flood = Promise.all(
      Array.from({ length: 340 }, (_, index) =>
        hasty!.publish('aquaponia/greenhouse/flow-rate', String(index % 10)).then(() => (acknowledged += 1)),
      ),
    );
    await server.until(() => acknowledged >= 300, 'the burst is through');
    await calm!.publish('aquaponia/greenhouse/ph', '6.8');
    expect(acknowledged).toBeLessThan(340);
    await flood;
    await server.until(async () => (await valuesOf(server, 'flow-rate')).length === 340, 'all are stored');
    await hasty!.end();
    await calm!.end();
    await server.stop();
  });
});

describe('the broker in the process, over TLS alone', () => {
  it('listens with the certificate that it is given', async () => {
    const tls = join(import.meta.dirname, 'helpers/tls');
    const server = await Server.start({
      MQTT_PORT: 'off',
      MQTT_TLS_PORT: '0',
      MQTT_TLS_CERT: join(tls, 'cert.pem'),
      MQTT_TLS_KEY: join(tls, 'key.pem'),
    });
    const port = Number(/"mqttTlsPort":(\d+)/.exec(server.output)?.[1]);
    expect(server.mqttPort).toBe(0);
    await server.post('/v1/systems', GREENHOUSE);
    const client = await connectAsync(`mqtts://127.0.0.1:${port}`, {
      ca: readFileSync(join(tls, 'cert.pem')),
      username: 'admin',
      password: ADMIN_KEY,
    });
    await client.publishAsync('aquaponia/greenhouse/ph', '6.8', { qos: 1 });
    expect(await valuesOf(server, 'ph')).toEqual([6.8]);
    await client.endAsync();
    await server.stop();
  });
});

describe('a broker elsewhere', () => {
  let broker: ExternalBroker;
  let server: Server;

  beforeAll(async () => {
    broker = await ExternalBroker.start();
    server = await Server.start({
      MQTT_URL: `mqtt://127.0.0.1:${broker.port}`,
      // Aedes has no shared subscriptions.
      MQTT_SHARE_GROUP: 'off',
    });
    await server.post('/v1/systems', GREENHOUSE);
  });
  afterAll(async () => {
    await broker.kill();
    await server.stop();
  });

  const mqttPart = async () => (await server.get('/health/ready')).body.parts.mqtt;
  const storedNow = (count: number) =>
    server.until(async () => (await valuesOf(server, 'ph')).length === count, `${count} are stored`);

  it('brings readings, and takes what Home Assistant is told', async () => {
    await server.until(async () => (await mqttPart()).connected, 'it is connected');
    const client = await Client.connect(broker.port);
    await client.mqtt.subscribeAsync('homeassistant/#');
    await client.publish('aquaponia/greenhouse/ph', '6.8');
    await storedNow(1);
    await server.until(
      () => client.of('homeassistant/sensor/aquaponia_greenhouse/ph/config')[0],
      'it is announced',
    );
    await server.post('/v1/systems/greenhouse/mqtt-mappings', { topic: 'esp/ph', sensor: 'ph' });
    await server.until(async () => {
      await client.publish('esp/ph', '6.9');
      return (await valuesOf(server, 'ph')).length > 1;
    }, 'the mapped topic is heard');
    await client.end();
  });

  it('may go away and come back: health says so, and nothing needs a restart', async () => {
    await broker.kill();
    await server.until(async () => (await mqttPart()).connected === false, 'it is gone');
    expect((await server.get('/health/ready')).status).toBe(200);
    await broker.launch();
    await server.until(async () => (await mqttPart()).connected, 'it is back');
    const client = await Client.connect(broker.port);
    await client.publish('aquaponia/greenhouse/ph', '7.1');
    // What was under way when it went may have come as well.
    await server.until(async () => (await valuesOf(server, 'ph')).includes(7.1), 'it is stored');
    await client.end();
  });
});

describe('Home Assistant', () => {
  it('is told of every sensor and actuator, and of their states', async () => {
    const server = await Server.start();
    await server.post('/v1/systems', GREENHOUSE);
    const client = await Client.connect(server.mqttPort, ADMIN_KEY);
    const config = (id: string): string => `homeassistant/sensor/aquaponia_greenhouse/${id}/config`;
    await client.mqtt.subscribeAsync(['homeassistant/#', 'aquaponia/#']);
    await server.until(() => client.of(config('actuator_feeder'))[0], 'all is announced');
    const message = client.received.find(({ topic }) => topic === config('water-temperature'))!;
    expect(message.retain).toBe(true);
    expect(JSON.parse(message.text)).toEqual({
      name: 'Water temperature',
      unique_id: 'aquaponia_greenhouse_water-temperature',
      state_topic: 'aquaponia/greenhouse/water-temperature/state',
      state_class: 'measurement',
      unit_of_measurement: '°C',
      device_class: 'temperature',
      expire_after: 600,
      availability: [{ topic: 'aquaponia/greenhouse/water/availability' }],
      device: {
        identifiers: ['aquaponia_greenhouse_water'],
        name: 'Greenhouse Water controller',
        manufacturer: 'Aquaponia',
        suggested_area: 'Greenhouse',
      },
      origin: { name: 'Aquaponia' },
    });
    expect(client.of('aquaponia/greenhouse/water/availability')).toEqual(['online']);

    const post = (sensor: string, value: number | null) =>
      server.post('/v1/systems/greenhouse/readings', { readings: [{ sensor, value }] });
    await post('ph', 6.8);
    await server.until(() => client.of('aquaponia/greenhouse/ph/state').includes('6.8'), 'the state is told');
    await post('ph', null);
    await server.until(
      () => client.of('aquaponia/greenhouse/ph/state').includes('None'),
      'that it is unknown',
    );

    const sensor = { id: 'deep-ph', deviceId: 'water', quantity: 'ph', place: 'sump' };
    await server.post('/v1/systems/greenhouse/sensors', sensor);
    await server.until(() => client.of(config('deep-ph'))[0], 'the new one is announced');
    await server.until(
      () => client.of('aquaponia/greenhouse/actuator/air-pump/state').includes('100'),
      'what the pump was told',
    );

    client.received.length = 0;
    await client.publish('homeassistant/status', 'online');
    await server.until(() => client.of(config('ph'))[0], 'all is announced again');
    await client.end();
    await server.stop();
  });
});
