import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';

import { workersOf } from './helpers/processes.js';
import { GREENHOUSE, Server } from './helpers/server.js';

/* eslint-disable @typescript-eslint/no-explicit-any */

const MINUTE = 60_000;
const ago = (milliseconds: number): string => new Date(Date.now() - milliseconds).toISOString();
const WELL = {
  'water-temperature': 28,
  'dissolved-oxygen': 6.5,
  ph: 6.8,
  'total-ammonia-nitrogen': 0.2,
  'water-level': 98,
};

let server: Server;
let systems = 0;

/** A new system each, so that tests do not see each other's readings. */
async function newSystem(more: object = {}): Promise<string> {
  const id = `farm-${++systems}`;
  expect((await server.post('/v1/systems', { ...GREENHOUSE, id, ...more })).status).toBe(201);
  return `/v1/systems/${id}`;
}

const read = (system: string, values: Record<string, number | null>, observedAt?: string) =>
  server.post(`${system}/readings`, {
    readings: Object.entries(values).map(([sensor, value]) => ({ sensor, value, observedAt })),
  });

beforeAll(async () => {
  server = await Server.start({ AQUAPONIA_WEBHOOKS_MAY_BE_PRIVATE: 'true' });
});

afterAll(() => server.stop());

describe('a grower with a new system', () => {
  it('finds what the template has made, and can add to it', async () => {
    const system = await newSystem({ template: 'nft' });
    const made = (await server.get(system)).body;
    expect(made.devices.map((device: any) => device.id)).toEqual(
      expect.arrayContaining(['water', 'growing', 'camera']),
    );
    expect(made.sensors).toContainEqual(
      expect.objectContaining({ id: 'pipe-flow-rate', quantity: 'flow-rate', unit: 'L/min', place: 'pipes' }),
    );
    const lamp = { id: 'lamp-lux', deviceId: 'climate', quantity: 'illuminance', place: 'lamp' };
    expect((await server.post(`${system}/sensors`, lamp)).status).toBe(201);
    expect((await server.post(`${system}/sensors`, lamp)).body.code).toBe('SYSTEM.PART_TAKEN');
    expect((await server.post(`${system}/sensors`, { ...lamp, id: 'x', deviceId: 'nobody' })).body.code).toBe(
      'DEVICE.NOT_FOUND',
    );
    expect((await server.post('/v1/systems', { ...GREENHOUSE, id: made.id })).body.code).toBe('SYSTEM.TAKEN');
  });

  it('sees values, ages, qualities, and what follows from them', async () => {
    const system = await newSystem({ altitudeM: 1500 });
    await read(system, {
      ...WELL,
      'water-temperature': 25,
      ph: 8,
      'total-ammonia-nitrogen': 1,
      'dissolved-oxygen': 6,
    });
    await read(system, { 'air-temperature': -127 });
    await read(system, { illuminance: 1200 }, ago(60 * MINUTE));
    const status = (await server.get(`${system}/status`)).body;
    const of = (sensor: string): any => status.sensors.find((each: any) => each.sensor === sensor);
    expect(of('ph')).toMatchObject({ condition: 'fresh', reading: { value: 8, quality: 'good' } });
    expect(of('air-temperature')).toMatchObject({
      condition: 'bad',
      reading: { value: null, raw: -127, reasons: ['sentinel', 'below-physical-range'] },
    });
    expect(of('illuminance')).toMatchObject({ condition: 'stale' });
    expect(of('nitrite')).toMatchObject({ condition: 'silent', reading: null });
    expect(status.unionisedAmmonia.value).toBeCloseTo(0.05366, 4);
    // 8.263 mg/L at sea level, about 6.87 at 1,500 m.
    expect(status.oxygenSaturation.value).toBeGreaterThan(86);
    expect(status.oxygenSaturation.value).toBeLessThan(89);
  });

  it('reads back a range page by page, and a chart in buckets with its gaps', async () => {
    const system = await newSystem();
    const start = Date.UTC(2026, 5, 1);
    const values = [20, 22, null, 30, 24];
    const offsets = [0, 10, 20, 200, 210];
    await server.post(`${system}/readings`, {
      readings: values.map((value, index) => ({
        sensor: 'water-temperature',
        value,
        observedAt: new Date(start + offsets[index]! * MINUTE).toISOString(),
      })),
    });
    const period = 'from=2026-06-01T00:00:00Z&to=2026-06-02T00:00:00Z';
    const sensor = `${system}/sensors/water-temperature`;
    const first = (await server.get(`${sensor}/readings?${period}&limit=2`)).body;
    expect(first.readings.map((reading: any) => reading.value)).toEqual([20, 22]);
    const rest = (await server.get(`${sensor}/readings?from=${first.next}&to=2026-06-02T00:00:00Z`)).body;
    expect(rest.readings.map((reading: any) => reading.quality)).toEqual(['bad', 'good', 'good']);
    expect(rest.next).toBeNull();
    const chart = (await server.get(`${system}/series?sensor=water-temperature&${period}&bucket=3600`)).body;
    const none = { min: null, mean: null, max: null, last: null, count: 0, suspect: 0, bad: 0 };
    expect(chart.series[0].buckets).toEqual([
      { at: '2026-06-01T00:00:00.000Z', min: 20, mean: 21, max: 22, last: 22, count: 2, suspect: 0, bad: 1 },
      { at: '2026-06-01T01:00:00.000Z', ...none },
      { at: '2026-06-01T02:00:00.000Z', ...none },
      { at: '2026-06-01T03:00:00.000Z', min: 24, mean: 27, max: 30, last: 24, count: 2, suspect: 0, bad: 0 },
    ]);
    expect((await server.get(`${sensor}/readings?from=2026-W01`)).body).toMatchObject({
      status: 400,
      errors: [{ field: 'from' }],
    });
  });
});

describe('the controller', () => {
  it('listens to good and fresh readings only, and says what it left out', async () => {
    const system = await newSystem();
    await read(system, { ...WELL, 'dissolved-oxygen': 20.5 });
    await read(system, { 'water-level': 40 }, ago(60 * MINUTE));
    await read(system, { ph: 3 }, ago(60 * MINUTE));
    const { body: decision } = await server.post(`${system}/decisions`, {});
    expect(decision.inputs.map((each: any) => [each.input, each.value])).toEqual([
      ['water-temperature', 28],
      ['ph', 6.8],
      ['water-level', 98],
      ['un-ionised-ammonia', expect.any(Number)],
    ]);
    expect(decision.leftOut).toEqual([{ input: 'dissolved-oxygen', why: 'bad' }]);
    const air = decision.actuators.find((each: any) => each.actuator === 'air-pump');
    expect(air).toMatchObject({
      percent: 100,
      interlocks: [{ code: expect.stringMatching(/AIR.OXYGEN_UNKNOWN|NO_PROPOSAL/) }],
    });
    expect(decision.commands).toEqual([]);
  });

  it('never heats on a dead probe, although late data would ask for it', async () => {
    const system = await newSystem();
    await read(system, { ...WELL, 'water-temperature': null });
    await read(system, { 'water-temperature': 15 }, ago(30 * MINUTE));
    const { body: decision } = await server.post(`${system}/decisions`, { issueCommands: true });
    expect(decision.leftOut).toContainEqual({ input: 'water-temperature', why: 'bad' });
    expect(decision.commands.find((command: any) => command.actuator === 'heater')).toMatchObject({
      percent: 0,
    });
  });

  it('heats tilapia at 14 °C and leaves trout alone', async () => {
    const heat = async (species: string): Promise<number> => {
      const { body } = await server.post('/v1/control/evaluations', {
        inputs: { 'water-temperature': 14.5, 'water-level': 98 },
        species,
      });
      return body.outputs.find((output: any) => output.output === 'heating').value;
    };
    expect(await heat('nile-tilapia')).toBeGreaterThan(90);
    expect(await heat('rainbow-trout')).toBe(0);
  });

  it('decides nothing where nothing is known', async () => {
    const system = await newSystem();
    expect((await server.post(`${system}/decisions`, {})).body).toMatchObject({
      status: 409,
      code: 'CONTROL.NO_INPUTS',
    });
  });

  it('sends commands that carry their cause and their end, and hears what became of them', async () => {
    const system = await newSystem();
    const id = system.split('/').at(-1)!;
    const key = (await server.post('/v1/keys', { id: `${id}-key`, role: 'device', systemId: id })).body
      .secret as string;
    const asDevice = { authorization: `Bearer ${key}` };
    await read(system, { ...WELL, 'dissolved-oxygen': 4.5 });
    const { body: first } = await server.post(`${system}/decisions`, { issueCommands: true });
    const { body: second } = await server.post(`${system}/decisions`, { issueCommands: true });
    const { commands } = (await server.get(`${system}/commands?deviceId=water`, asDevice)).body;
    expect(commands.map((command: any) => command.decisionId)).toEqual(commands.map(() => second.id));
    const [command] = commands;
    expect(Date.parse(command.expiresAt) - Date.parse(command.issuedAt)).toBe(10 * MINUTE);
    const answer = (outcome: string) =>
      server.post(`${system}/commands/${command.id}/acknowledgement`, { outcome }, asDevice);
    expect((await answer('done')).body).toMatchObject({ status: 'done' });
    expect((await answer('done')).status).toBe(200);
    expect((await answer('failed')).body).toMatchObject({ status: 409, code: 'COMMAND.ENDED' });
    const superseded = await server.post(
      `${system}/commands/${first.commands[0].id}/acknowledgement`,
      { outcome: 'done' },
      asDevice,
    );
    expect(superseded.body.code).toBe('COMMAND.ENDED');
    const { body: listed } = await server.get(`${system}/decisions?limit=1`);
    expect(listed.decisions.map((decision: any) => decision.id)).toEqual([second.id]);
    expect((await server.get(`${system}/decisions/${first.id}`)).body.commands[0].status).toBe('superseded');
    expect((await server.get(`/v1/systems/nobody/decisions/${first.id}`)).body.code).toBe(
      'DECISION.NOT_FOUND',
    );
  });
});

describe('a photo of plants', () => {
  const discs = (): Promise<Buffer> =>
    sharp({ create: { width: 2000, height: 1500, channels: 3, background: '#6b4f3a' } })
      .composite([
        {
          input: Buffer.from(
            '<svg width="2000" height="1500"><circle cx="1000" cy="750" r="500" fill="#4f9a3a"/></svg>',
          ),
        },
      ])
      .jpeg()
      .toBuffer();

  it('becomes figures, readings and a picture', async () => {
    const system = await newSystem();
    const { status, body } = await server.post(`${system}/analyses`, await discs(), {
      'content-type': 'image/jpeg',
    });
    expect(status).toBe(201);
    // A disc of 500 px radius in 2000 × 1500.
    expect(body.canopyCover.value).toBeCloseTo((100 * Math.PI * 500 ** 2) / 3e6, 0);
    expect(body.photo).toEqual({ format: 'jpeg', width: 2000, height: 1500 });
    expect(body.storedTo).toContain('canopy-cover');
    const canopy = (await server.get(`${system}/status`)).body.sensors.find(
      (each: any) => each.sensor === 'canopy-cover',
    );
    expect(canopy).toMatchObject({ condition: 'fresh', reading: { value: body.canopyCover.value } });
    const overlay = await fetch(server.url + body.overlayUrl, {
      headers: { authorization: `Bearer an-admin-key-for-tests` },
    });
    expect(overlay.headers.get('content-type')).toBe('image/jpeg');
    expect(await sharp(Buffer.from(await overlay.arrayBuffer())).metadata()).toMatchObject({
      width: 1024,
      height: 768,
    });
    expect((await server.get(`${system}/analyses`)).body.analyses).toEqual([body]);
  });

  it('of no plants is no reading of no plants', async () => {
    const system = await newSystem();
    const grey = await sharp({ create: { width: 400, height: 300, channels: 3, background: '#808080' } })
      .png()
      .toBuffer();
    const { body } = await server.post(`${system}/analyses`, grey, { 'content-type': 'image/png' });
    expect(body).toMatchObject({
      greenness: { value: null },
      yellowing: { value: null },
      browning: { value: null },
    });
    expect(body.storedTo).toEqual([]);
  });

  it('makes a camera of a system that has none', async () => {
    const system = await newSystem({ template: undefined });
    const { body } = await server.post(
      `${system}/analyses?observedAt=2026-11-01T10:00:00.000Z`,
      await discs(),
      { 'content-type': 'image/jpeg' },
    );
    expect(body).toMatchObject({
      at: '2026-11-01T10:00:00.000Z',
      storedTo: expect.arrayContaining(['canopy-cover']),
    });
  });
});

describe('a notification', () => {
  let phone: HttpServer;
  let received: { headers: IncomingMessage['headers']; body: string }[];
  let answers: number[];

  beforeAll(async () => {
    phone = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        response.writeHead(answers.shift() ?? 204).end();
      });
    });
    await new Promise<void>((listening) => phone.listen(0, '127.0.0.1', listening));
  });

  beforeEach(() => {
    received = [];
    answers = [];
  });

  afterAll(() => void phone.close());

  async function subscribe(system: string): Promise<string> {
    const id = system.split('/').at(-1)!;
    const url = `http://127.0.0.1:${(phone.address() as AddressInfo).port}/alarm`;
    const { status, body } = await server.post('/v1/webhooks', { id: `${id}-phone`, url, systemId: id });
    expect(status).toBe(201);
    return body.secret;
  }

  const classify = async (system: string): Promise<any> =>
    (await server.post(`${system}/classifications`)).body;

  it('is made once for one state, again when it gets worse, and is over when the system is well', async () => {
    const system = await newSystem();
    await read(system, { ...WELL, 'total-ammonia-nitrogen': 0.05, ph: 8.7 });
    const first = await classify(system);
    expect(first).toMatchObject({ level: 'warning', hardLimits: [{ code: 'PH.HIGH' }] });
    expect((await classify(system)).notification.id).toBe(first.notification.id);
    await read(system, { 'dissolved-oxygen': 2 });
    const worse = await classify(system);
    expect(worse.level).toBe('critical');
    expect(worse.notification.id).toBeGreaterThan(first.notification.id);
    const acknowledged = await server.post(
      `${system}/notifications/${worse.notification.id}/acknowledgement`,
    );
    expect(acknowledged.body.acknowledgedAt).not.toBeNull();
    await read(system, WELL);
    expect(await classify(system)).toMatchObject({ notification: null });
    const { notifications } = (await server.get(`${system}/notifications`)).body;
    expect(notifications).toHaveLength(2);
    for (const each of notifications) expect(each.resolvedAt).not.toBeNull();
  });

  it('is not made of history: neither old readings nor a failed probe breach a limit', async () => {
    const system = await newSystem();
    await read(system, { 'dissolved-oxygen': 1.2, 'water-temperature': 5 }, ago(400 * 24 * 60 * MINUTE));
    expect(await classify(system)).toMatchObject({ hardLimits: [] });
    const { notifications } = (await server.get(`${system}/notifications`)).body;
    expect(notifications.filter((each: any) => each.level === 'critical')).toEqual([]);
  });

  it('is not over because the probe has failed that told of it', async () => {
    const system = await newSystem();
    await read(system, { ...WELL, 'dissolved-oxygen': 1.2 });
    const { notification } = await classify(system);
    await read(system, { 'dissolved-oxygen': null });
    await classify(system);
    const still = (await server.get(`${system}/notifications`)).body.notifications;
    expect(still.find((each: any) => each.id === notification.id).resolvedAt).toBeNull();
    await read(system, { 'dissolved-oxygen': 6.5 });
    await classify(system);
    const then = (await server.get(`${system}/notifications`)).body.notifications;
    expect(then.find((each: any) => each.id === notification.id).resolvedAt).not.toBeNull();
  });

  it('is made by the hard limits alone where the perceptron hangs', async () => {
    const system = await newSystem();
    await read(system, { ...WELL, 'dissolved-oxygen': 0.5 });
    const [worker] = workersOf(server.pid, 'perceptron_notifications');
    process.kill(worker!, 'SIGSTOP');
    expect(await classify(system)).toMatchObject({
      level: 'critical',
      perceptron: null,
      hardLimits: [{ code: 'DISSOLVED-OXYGEN.LOW' }],
      notification: { level: 'critical' },
    });
  });

  it('is nothing that a system without water probes can have', async () => {
    const system = await newSystem();
    await read(system, { illuminance: 1000 });
    expect(await classify(system)).toMatchObject({ status: 409, code: 'NOTIFICATIONS.NO_READINGS' });
  });

  it('counts how fast a value falls, however often it is measured', async () => {
    const system = await newSystem();
    const falling = Array.from({ length: 9_000 }, (_, index) => ({
      sensor: 'dissolved-oxygen',
      value: 9 - index / 3_000,
      observedAt: ago((9_000 - index) * 200),
    }));
    await server.post(`${system}/readings`, { readings: falling });
    const { perceptron } = await classify(system);
    expect(perceptron.contributions[0]).toMatchObject({
      quantity: 'dissolved-oxygen',
      reason: expect.stringMatching(/falls by 6/),
    });
  });

  it('is posted, signed, and tried again until it arrives', async () => {
    const system = await newSystem();
    const secret = await subscribe(system);
    answers = [500, 302, 204];
    await read(system, { ...WELL, 'dissolved-oxygen': 2 });
    const { notification } = await classify(system);
    await server.until(() => received.length >= 3, 'the third attempt has been made');
    const delivered = await server.until(async () => {
      const { notifications } = (await server.get(`${system}/notifications`)).body;
      return notifications[0].deliveries[0].status === 'delivered' && notifications[0].deliveries[0];
    }, 'it is delivered');
    expect(delivered).toMatchObject({ attempts: 3, lastError: null });
    for (const { headers, body } of received) {
      const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
      const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
      expect(headers['webhook-signature']).toBe(
        `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
      );
      expect(JSON.parse(body).data).toMatchObject({ id: notification.id, level: 'critical' });
    }
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('survives the end of the service between two attempts', async () => {
    const system = await newSystem();
    await subscribe(system);
    answers = [500];
    await read(system, { ...WELL, 'dissolved-oxygen': 2 });
    await classify(system);
    await server.until(() => received.length >= 1, 'the first attempt has been made');
    await server.signal('SIGKILL');
    await server.launch();
    await server.until(() => received.length >= 2, 'it is tried again');
  });

  it('says what each reading contributes, and that hard limits win over the perceptron', async () => {
    const readings = [
      { quantity: 'dissolved-oxygen', value: 3.9 },
      { quantity: 'water-temperature', value: 28 },
    ];
    const { body } = await server.post('/v1/notifications/classifications', {
      readings,
      species: 'nile-tilapia',
    });
    expect(body.level).toBe('critical');
    expect(body.hardLimits).toMatchObject([{ code: 'DISSOLVED-OXYGEN.LOW', limit: 4 }]);
    expect(body.perceptron.contributions[0]).toMatchObject({
      quantity: 'dissolved-oxygen',
      reason: expect.stringContaining('3.9'),
    });
  });

  it('is never posted to a private address where that is not allowed', async () => {
    const strict = await Server.start();
    for (const url of [
      'http://127.0.0.1:9/',
      'http://[::1]/',
      'http://169.254.169.254/latest',
      'http://localhost/',
    ]) {
      const { body } = await strict.post('/v1/webhooks', { id: 'inside', url });
      expect([url, body.code]).toEqual([url, 'WEBHOOK.PRIVATE_ADDRESS']);
    }
    for (const url of [
      'ftp://example.com/',
      'https://user:secret@example.com/',
      'file:///etc/passwd',
      'nonsense',
    ]) {
      expect((await strict.post('/v1/webhooks', { id: 'odd', url })).body.code).toBe('REQUEST.INVALID');
    }
    await strict.stop();
  });
});

describe('a path that no route can have', () => {
  it.each(['/v1/systems/%zz', `/v1/systems/${'x'.repeat(5_000)}`, '/nowhere'])(
    'is a problem like any other (%#)',
    async (path) => {
      const { status, headers, body } = await server.get(path);
      expect([status, body.code]).toEqual([404, 'ROUTE.NOT_FOUND']);
      expect(headers.get('content-type')).toContain('application/problem+json');
    },
  );
});

describe('who has the keys', () => {
  it('cannot lock everybody out, nor make a key for a system that is not there', async () => {
    expect((await server.request('DELETE', '/v1/keys/admin')).body).toMatchObject({
      status: 409,
      code: 'KEY.LAST_ADMIN',
    });
    const lost = { id: 'lost', role: 'device', systemId: 'nowhere' };
    expect((await server.post('/v1/keys', lost)).body).toMatchObject({
      status: 404,
      code: 'SYSTEM.NOT_FOUND',
    });
    const second = (await server.post('/v1/keys', { id: 'second', role: 'admin' })).body.secret as string;
    expect((await server.request('DELETE', '/v1/keys/second')).status).toBe(204);
    expect((await server.get('/v1/systems', { authorization: `Bearer ${second}` })).body.code).toBe(
      'KEY.INVALID',
    );
  });

  it('is told at once that a body is no JSON by its name', async () => {
    const { status, body } = await server.post('/v1/systems', 'id=x', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect([status, body.code]).toEqual([415, 'BODY.MEDIA_TYPE']);
  });
});

describe('a device', () => {
  it('with a misspelt name is told so, and does not wait for commands that never come', async () => {
    const system = await newSystem();
    expect((await server.get(`${system}/commands?deviceId=watre`)).body.code).toBe('DEVICE.NOT_FOUND');
  });
});

describe('who runs it', () => {
  it('is led from the bare address to the page', async () => {
    const answer = await fetch(`${server.url}/`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/docs']);
  });

  it('finds its request and its host on every answer, and its figures in /metrics', async () => {
    const answer = await server.get('/v1/systems', { 'x-request-id': 'my-own-id' });
    expect(answer.headers.get('x-request-id')).toBe('my-own-id');
    expect(answer.headers.get('x-served-by')).not.toBeNull();
    const odd = await server.get('/v1/systems', { 'x-request-id': 'no good id' });
    expect(odd.headers.get('x-request-id')).not.toBe('no good id');
    const metrics = (await server.get('/metrics')).body as string;
    for (const name of [
      'aquaponia_readings_total',
      'aquaponia_decisions_total',
      'aquaponia_commands_total',
      'aquaponia_notifications_total',
      'aquaponia_http_request_duration_seconds_bucket',
      'aquaponia_script_run_duration_seconds_bucket',
      'aquaponia_script_workers',
    ]) {
      expect(metrics).toContain(name);
    }
    const foreign = metrics
      .split('\n')
      .filter((line) => line && !line.startsWith('#') && !line.startsWith('aquaponia_'));
    expect(foreign).toEqual([]);
  });
});
