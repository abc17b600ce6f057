import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { expectProblem } from './helpers/problem.ts';
import { type Answer, GREENHOUSE, Server } from './helpers/server.ts';

/* eslint-disable @typescript-eslint/no-explicit-any */

const HERE = '/v1/systems/greenhouse';
const HOUR = 3_600_000;

let server: Server;

beforeAll(async () => {
  server = await Server.start();
  await server.post('/v1/systems', GREENHOUSE);
  await server.post('/v1/systems', { ...GREENHOUSE, id: 'school' });
});
afterAll(() => server.stop());

const openClaim = async (device: string): Promise<string> =>
  (await server.post(`${HERE}/devices/${device}/claim`)).body.code as string;
/** Without any key, as a new device does. */
const claim = (code: unknown, more: object = {}): Promise<Answer> =>
  server.send('/v1/claims', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, ...more }),
  });
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const postAs = (key: string, readings: object[], system = HERE): Promise<Answer> =>
  server.post(`${system}/readings`, { readings }, bearer(key));
const deviceOf = async (id: string): Promise<any> => (await server.get(`${HERE}/devices/${id}`)).body;
const eventsOf = async (id: string, query = ''): Promise<any[]> =>
  (await server.get(`${HERE}/devices/${id}/events${query}`)).body.events as any[];
const at = (offset: number): string => new Date(Date.now() + offset).toISOString();

describe('a device with a claim code', () => {
  it('gets its key, what hangs on it, and may then post', async () => {
    const opened = await server.post(`${HERE}/devices/water/claim`);
    expect(opened.status).toBe(201);
    expect(Date.parse(opened.body.expiresAt as string) - Date.now()).toBeGreaterThan(HOUR - 60_000);
    const typed = (opened.body.code as string).toLowerCase().replace('-', ' ');
    const claimed = await claim(typed);
    expect(claimed).toMatchObject({ status: 200, body: { systemId: 'greenhouse', deviceId: 'water' } });
    expect(claimed.body.sensors.map(({ id }: any) => id as string)).toContain('ph');
    expect(claimed.body.sensors.every(({ deviceId }: any) => deviceId === 'water')).toBe(true);
    expect(claimed.body.actuators.map(({ id }: any) => id as string)).toContain('heater');
    const { key, keyId, mqtt } = claimed.body;
    const topicPrefix = 'aquaponia/greenhouse/';
    expect(mqtt).toEqual({ host: '127.0.0.1', port: expect.any(Number), username: keyId, topicPrefix });
    expect((await postAs(key, [{ sensor: 'ph', value: 7 }])).body).toMatchObject({ stored: 1 });
    expectProblem(
      await postAs(key, [{ sensor: 'ph', value: 7 }], '/v1/systems/school'),
      403,
      'KEY.FORBIDDEN',
    );
    const { keys } = (await server.get('/v1/keys')).body;
    expect(keys).toContainEqual({
      id: keyId,
      role: 'device',
      systemId: 'greenhouse',
      deviceId: 'water',
      createdAt: expect.any(String),
    });
    expect((await eventsOf('water')).map(({ what }) => what as string)).toEqual(['online', 'claimed']);
  });

  it('gets a new one for a new code, and the one before is revoked at once', async () => {
    const first = (await claim(await openClaim('climate'))).body.key as string;
    const code = await openClaim('climate');
    const reading = [{ sensor: 'air-temperature', value: 20 }];
    // A code that nobody has used takes nothing away.
    expect((await postAs(first, reading)).status).toBe(200);
    const second = (await claim(code)).body.key as string;
    expectProblem(await postAs(first, reading), 401, 'KEY.INVALID');
    expect((await postAs(second, reading)).status).toBe(200);
  });

  it('gets nothing for a code that is wrong, used, replaced, or of the wrong form, and is not told which', async () => {
    const used = await openClaim('growing');
    expect((await claim(used)).status).toBe(200);
    const replaced = await openClaim('growing');
    const valid = await openClaim('growing');
    const answers = [];
    for (const code of [used, replaced, '0000-0000', 'x']) answers.push(await claim(code));
    for (const answer of answers) expectProblem(answer, 404, 'CLAIM.NOT_FOUND');
    expect(new Set(answers.map(({ body }) => body.detail as string)).size).toBe(1);
    for (const code of [7, null, '', 'x'.repeat(33)]) {
      expectProblem(await claim(code), 400, 'REQUEST.INVALID');
    }
    expectProblem(await claim(valid, { more: 1 }), 400, 'REQUEST.INVALID');
    expect((await claim(valid)).status).toBe(200);
  });

  it('used by two at once, serves one', async () => {
    const code = await openClaim('camera');
    const answers = await Promise.all([1, 2, 3].map(() => claim(code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
  });

  it('is made by operators only, and for devices that there are', async () => {
    const { key } = (await claim(await openClaim('water'))).body;
    const answer = await server.post(`${HERE}/devices/water/claim`, undefined, bearer(key as string));
    expectProblem(answer, 403, 'KEY.FORBIDDEN');
    expectProblem(await server.post(`${HERE}/devices/nobody/claim`), 404, 'DEVICE.NOT_FOUND');
    expectProblem(await server.post('/v1/systems/nowhere/devices/water/claim'), 404, 'SYSTEM.NOT_FOUND');
  });

  it('sends no more than a code', async () => {
    const long = JSON.stringify({ code: '0000-0000', more: 'x'.repeat(2000) });
    const headers = { 'content-type': 'application/json' };
    const answer = await server.send('/v1/claims', { method: 'POST', headers, body: long });
    expectProblem(answer, 413, 'BODY.TOO_LARGE');
  });
});

describe('whoever tries codes', () => {
  it('has to wait after some, and so does the right code then', async () => {
    const own = await Server.start();
    const send = (code: string) =>
      own.send('/v1/claims', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code }),
      });
    try {
      await own.post('/v1/systems', GREENHOUSE);
      const code = (await own.post(`${HERE}/devices/water/claim`)).body.code as string;
      // What succeeds is not held against anyone.
      expect((await send(code)).status).toBe(200);
      for (let tried = 0; tried < 10; tried += 1) {
        expectProblem(await send(`0000-000${tried}`), 404, 'CLAIM.NOT_FOUND');
      }
      const next = (await own.post(`${HERE}/devices/water/claim`)).body.code as string;
      const refused = await send(next);
      expectProblem(refused, 429, 'CLAIM.TOO_MANY');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30);
      expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    } finally {
      await own.stop();
    }
  });
});

describe('a key', () => {
  it('can be made for a device, and for none that is not there', async () => {
    const request = { id: 'by-hand', role: 'device', systemId: 'greenhouse', deviceId: 'climate' };
    expect((await server.post('/v1/keys', request)).body).toMatchObject({ deviceId: 'climate' });
    expectProblem(
      await server.post('/v1/keys', { ...request, id: 'x', deviceId: 'nobody' }),
      404,
      'DEVICE.NOT_FOUND',
    );
    const ofNone = { id: 'x', role: 'operator', deviceId: 'climate' };
    expectProblem(await server.post('/v1/keys', ofNone), 400, 'KEY.SYSTEM');
  });
});

describe('a device that posts', () => {
  it('is online from its first message on, with a clock that is right', async () => {
    await server.post(`${HERE}/devices`, { id: 'pi', name: 'Pi' });
    await server.post(`${HERE}/sensors`, { id: 'pi-ph', deviceId: 'pi', quantity: 'ph', place: 'sump' });
    const never = { online: false, since: null, firstSeenAt: null, lastSeenAt: null, clockSkewMs: null };
    expect(await deviceOf('pi')).toEqual({ id: 'pi', name: 'Pi', ...never, clockWrong: false });
    const { key } = (await claim(await openClaim('pi'))).body;
    await postAs(key as string, [{ sensor: 'pi-ph', value: 7, observedAt: at(-150) }]);
    const seen = await server.until(async () => {
      const device = await deviceOf('pi');
      return device.online ? device : undefined;
    }, 'it is online');
    expect(seen).toMatchObject({ clockWrong: false, firstSeenAt: expect.any(String) });
    expect(seen.lastSeenAt >= seen.since).toBe(true);
    expect(seen.clockSkewMs).toBeLessThanOrEqual(-150);
    expect(seen.clockSkewMs).toBeGreaterThan(-15_000);
    const all = (await server.get(`${HERE}/devices`)).body.devices;
    expect(all).toContainEqual(expect.objectContaining({ id: 'pi', online: true }));
  });

  it('with a clock that is ahead is told so, though its readings are refused', async () => {
    await server.post(`${HERE}/devices`, { id: 'ahead', name: 'Ahead' });
    const { key } = (await claim(await openClaim('ahead'))).body;
    const answer = await postAs(key as string, [{ sensor: 'ph', value: 7, observedAt: at(HOUR) }]);
    expectProblem(answer, 422, 'READINGS.REFUSED');
    const device = await server.until(async () => {
      const device = await deviceOf('ahead');
      return device.online ? device : undefined;
    }, 'it is online');
    expect(device.clockWrong).toBe(true);
    expect(Math.abs(device.clockSkewMs - HOUR)).toBeLessThan(15_000);
    const events = await eventsOf('ahead');
    expect(events.map(({ what }) => what as string)).toEqual(['clock-wrong', 'online', 'claimed']);
    expect(events[0].detail).toMatch(/^\d+ ms$/);
    const [middle] = await eventsOf('ahead', `?limit=1&before=${events[0].id}`);
    expect(middle).toEqual(events[1]);
  });

  it('with a key of the whole system speaks for the devices of the sensors', async () => {
    await server.post(`${HERE}/devices`, { id: 'shared', name: 'Shared' });
    const sensor = { id: 'shared-ph', deviceId: 'shared', quantity: 'ph', place: 'sump' };
    await server.post(`${HERE}/sensors`, sensor);
    const made = await server.post('/v1/keys', { id: 'whole', role: 'device', systemId: 'greenhouse' });
    await postAs(
      made.body.secret as string,
      [null, { sensor: 'shared-ph', value: 7 }, { sensor: 7 }] as object[],
    );
    await server.until(async () => (await deviceOf('shared')).online, 'it is online');
  });

  it('is not what an operator brings: history is no sign of life', async () => {
    await server.post(`${HERE}/devices`, { id: 'quiet', name: 'Quiet' });
    await server.post(`${HERE}/sensors`, {
      id: 'quiet-ph',
      deviceId: 'quiet',
      quantity: 'ph',
      place: 'sump',
    });
    const readings = [{ sensor: 'quiet-ph', value: 7, observedAt: at(-400 * 24 * HOUR) }];
    expect((await server.post(`${HERE}/readings`, { readings })).body).toMatchObject({ stored: 1 });
    expect(await deviceOf('quiet')).toMatchObject({ online: false, lastSeenAt: null, clockSkewMs: null });
  });

  it('is known after a restart as it was, to the last message', async () => {
    const own = await Server.start();
    try {
      await own.post('/v1/systems', GREENHOUSE);
      const key = (await own.post('/v1/keys', { id: 'k', role: 'device', systemId: 'greenhouse' })).body
        .secret as string;
      const post = () =>
        own.post(`${HERE}/readings`, { readings: [{ sensor: 'ph', value: 7 }] }, bearer(key));
      const look = async () => (await own.get(`${HERE}/devices/water`)).body;
      await post();
      await own.until(async () => (await look()).online, 'it is online');
      await new Promise((resolve) => setTimeout(resolve, 5));
      await post();
      const before = await look();
      expect(before.lastSeenAt > before.firstSeenAt).toBe(true);
      await own.signal('SIGTERM');
      await own.launch();
      expect(await look()).toEqual(before);
      await post();
      await own.until(async () => (await look()).lastSeenAt > before.lastSeenAt, 'it is heard again');
      // It did not come: it was there.
      expect((await own.get(`${HERE}/devices/water/events`)).body.events).toHaveLength(1);
    } finally {
      await own.stop();
    }
  });
});

describe('an operator', () => {
  it('renames a device, moves a sensor, and deletes a device on which nothing hangs, with its keys', async () => {
    await server.post(`${HERE}/devices`, { id: 'old', name: 'Old' });
    await server.post(`${HERE}/sensors`, { id: 'moving', deviceId: 'old', quantity: 'ph', place: 'sump' });
    const { key } = (await claim(await openClaim('old'))).body;
    await postAs(key as string, [{ sensor: 'moving', value: 7 }]);
    const renamed = await server.request('PATCH', `${HERE}/devices/old`, { name: 'Older' });
    expect(renamed.body).toMatchObject({ id: 'old', name: 'Older' });
    expectProblem(await server.request('DELETE', `${HERE}/devices/old`), 409, 'DEVICE.IN_USE');
    const moved = await server.request('PATCH', `${HERE}/sensors/moving`, {
      deviceId: 'water',
      place: 'bed',
    });
    expect(moved).toMatchObject({ status: 200, body: { id: 'moving', deviceId: 'water', place: 'bed' } });
    expect((await server.get(HERE)).body.sensors).toContainEqual(moved.body);
    expect((await server.get(`${HERE}/sensors/moving/readings`)).body.readings).toHaveLength(1);
    expect((await server.request('DELETE', `${HERE}/devices/old`)).status).toBe(204);
    expectProblem(await server.get(`${HERE}/devices/old`), 404, 'DEVICE.NOT_FOUND');
    expectProblem(await postAs(key as string, [{ sensor: 'moving', value: 7 }]), 401, 'KEY.INVALID');
  });

  it('cannot move a sensor to a device that is not there', async () => {
    const move = (sensor: string, deviceId: string) =>
      server.request('PATCH', `${HERE}/sensors/${sensor}`, { deviceId });
    expectProblem(await move('ph', 'nobody'), 404, 'DEVICE.NOT_FOUND');
    expectProblem(await move('nobody', 'water'), 404, 'SENSOR.NOT_FOUND');
  });
});
