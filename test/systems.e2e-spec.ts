import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { expectProblem } from './helpers/problem.ts';
import { GREENHOUSE, Server } from './helpers/server.ts';

const HERE = '/v1/systems/greenhouse';

let server: Server;

beforeAll(async () => {
  server = await Server.start();
  await server.post('/v1/systems', GREENHOUSE);
});
afterAll(() => server.stop());

describe('a system', () => {
  it('is in UTC until it is told where it stands', async () => {
    expect((await server.get(HERE)).body).toMatchObject({ timeZone: 'UTC', altitudeM: 0 });
    const moved = await server.request('PATCH', HERE, { timeZone: 'Asia/Kathmandu', altitudeM: 1400 });
    expect(moved).toMatchObject({ status: 200, body: { id: 'greenhouse', name: 'Greenhouse' } });
    expect(moved.body).toMatchObject({ timeZone: 'Asia/Kathmandu', altitudeM: 1400 });
    expect((await server.request('PATCH', HERE, { name: 'Glasshouse', timeZone: null })).status).toBe(200);
    expect((await server.get(HERE)).body).toMatchObject({
      name: 'Glasshouse',
      timeZone: 'Asia/Kathmandu',
      altitudeM: 1400,
    });
    const born = { ...GREENHOUSE, id: 'rome', timeZone: 'Europe/Rome' };
    expect((await server.post('/v1/systems', born)).body).toMatchObject({ timeZone: 'Europe/Rome' });
  });

  it.each([[{ timeZone: 'Mars/Olympus' }], [{ timeZone: '+02:00' }], [{ altitudeM: 9000 }], [{ name: '' }]])(
    'does not become %j',
    async (change) => {
      const before = (await server.get(HERE)).body as object;
      expectProblem(await server.request('PATCH', HERE, change), 400, 'REQUEST.INVALID');
      expect((await server.get(HERE)).body).toEqual(before);
    },
  );

  it('that is not there cannot be changed', async () => {
    expectProblem(
      await server.request('PATCH', '/v1/systems/nowhere', { name: 'x' }),
      404,
      'SYSTEM.NOT_FOUND',
    );
  });

  it('takes readings of a sensor as soon as it is there', async () => {
    const post = () => server.post(`${HERE}/readings`, { readings: [{ sensor: 'attic', value: 20 }] });
    expect((await post()).body.results[0].error.code).toBe('SENSOR.NOT_FOUND');
    const sensor = { id: 'attic', deviceId: 'climate', quantity: 'air-temperature', place: 'attic' };
    expect((await server.post(`${HERE}/sensors`, sensor)).status).toBe(201);
    expect((await post()).body).toMatchObject({ stored: 1 });
  });
});
