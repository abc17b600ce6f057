import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { type Sample, sideBySide } from '../src/readings/derivations.js';
import { saturatedOxygen } from '../src/systems/equations.js';
import { GREENHOUSE, type Server } from './helpers/server.js';
import { Deployment, STORES } from './helpers/stores.js';

/* eslint-disable @typescript-eslint/no-explicit-any */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const time = (at: number): string => new Date(at).toISOString();
/** Mulberry32: the same numbers each time, so that a failure can be looked at. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fractions of total ammonia, in per cent (Emerson 1975). */
const [AT_PH_7, AT_PH_8] = [0.00564, 0.05366];

let deployment: Deployment;
let server: Server;
let posts = 0;
let systems = 0;

async function newSystem(more: object = {}): Promise<string> {
  const id = `derived-${++systems}`;
  expect((await server.post('/v1/systems', { ...GREENHOUSE, id, ...more })).status).toBe(201);
  return `/v1/systems/${id}`;
}

const post = async (system: string, at: number, values: Record<string, number | null>): Promise<any> =>
  (
    await deployment.servers[posts++ % deployment.servers.length]!.post(`${system}/readings`, {
      readings: Object.entries(values).map(([sensor, value]) => ({ sensor, value, observedAt: time(at) })),
    })
  ).body;

async function series(system: string, sensor: string, from: number): Promise<any[]> {
  const answer = await server.get(
    `${system}/sensors/${sensor}/readings?from=${time(from)}&to=${time(Date.now() + MINUTE)}`,
  );
  return answer.status === 200 ? answer.body.readings : [];
}

const derived = (system: string, sensor: string, from: number, count: number): Promise<any[]> =>
  server.until(async () => {
    const found = await series(system, sensor, from);
    return found.length >= count ? found : undefined;
  }, `${sensor} has ${count} readings`);

describe.each(STORES)('on %s', (kind) => {
  beforeAll(async () => {
    deployment = await Deployment.start(kind);
    server = deployment.first;
  }, 60_000);

  afterAll(() => deployment.stop());

  describe('what is derived', () => {
    it('is a series of its own, on a device of its own, once its inputs report', async () => {
      const system = await newSystem();
      const at = Date.now() - 5 * MINUTE;
      const before = (await server.get(system)).body;
      expect(before.devices.map((device: any) => device.id)).not.toContain('derived');
      await post(system, at, {
        'water-temperature': 25,
        ph: 8,
        'total-ammonia-nitrogen': 2,
        'dissolved-oxygen': 8.263,
      });
      const [ammonia] = await derived(system, 'un-ionised-ammonia', at, 1);
      expect(ammonia).toMatchObject({ observedAt: time(at), quality: 'good', reasons: [] });
      expect(ammonia.value).toBeCloseTo(2 * AT_PH_8, 4);
      expect((await derived(system, 'oxygen-saturation', at, 1))[0].value).toBeCloseTo(100, 1);
      const after = (await server.get(system)).body;
      expect(after.sensors.filter((sensor: any) => sensor.deviceId === 'derived')).toMatchObject([
        { id: 'un-ionised-ammonia', unit: 'mg/L', place: 'tank' },
        { id: 'oxygen-saturation', unit: '%', place: 'tank' },
      ]);
      await post(system, at, { 'air-temperature': 25, 'relative-humidity': 60 });
      expect((await derived(system, 'vapour-pressure-deficit', at, 1))[0].value).toBeCloseTo(1.267, 3);
    });

    it("is no device's to report, to judge or to calibrate", async () => {
      const system = await newSystem();
      const at = Date.now() - MINUTE;
      await post(system, at, { 'water-temperature': 25, 'dissolved-oxygen': 8 });
      await derived(system, 'oxygen-saturation', at, 1);
      expect(await post(system, at + 1, { 'oxygen-saturation': 3, ph: 7 })).toMatchObject({
        stored: 1,
        refused: 1,
        results: [{ outcome: 'refused', error: { code: 'READING.DERIVED' } }, { outcome: 'stored' }],
      });
      const path = `${system}/sensors/oxygen-saturation`;
      expect((await server.request('PUT', `${path}/rules`, {})).body.code).toBe('SENSOR.DERIVED');
      expect((await server.post(`${path}/calibration-session`)).body.code).toBe('SENSOR.DERIVED');
      const sensor = { id: 'mine', deviceId: 'water', quantity: 'oxygen-saturation', place: 'tank' };
      expect((await server.post(`${system}/sensors`, sensor)).status).toBe(400);
    });

    it('is made again when an input comes late, when one is judged anew, and when the altitude was wrong', async () => {
      const system = await newSystem();
      const start = Date.now() - 2 * HOUR;
      await post(system, start, { 'total-ammonia-nitrogen': 2, 'water-temperature': 25, ph: 7 });
      for (let minute = 1; minute < 9; minute += 2) {
        await post(system, start + minute * MINUTE, { 'water-temperature': 25 });
      }
      const before = await derived(system, 'un-ionised-ammonia', start, 5);
      for (const { value } of before) expect(value).toBeCloseTo(2 * AT_PH_7, 4);

      // Late: from the third minute on the pH was 8.
      await post(system, start + 2 * MINUTE, { ph: 8 });
      const after = await derived(system, 'un-ionised-ammonia', start, 6);
      await server.until(async () => {
        const found = await series(system, 'un-ionised-ammonia', start);
        return found.length === 6 && Math.abs(found[5].value - 2 * AT_PH_8) < 1e-3;
      }, 'the late pH counts');
      expect(after.map(({ observedAt }) => (Date.parse(observedAt) - start) / MINUTE)).toEqual([
        0, 1, 2, 3, 5, 7,
      ]);

      // A failed probe derives nothing, from then until it is well again.
      await post(system, start + 4 * MINUTE, { ph: 0 });
      await server.until(
        async () => (await series(system, 'un-ionised-ammonia', start)).length === 4,
        'two are gone',
      );
      await server.request('PUT', `${system}/sensors/ph/rules`, { sentinels: [] });
      await server.post(`${system}/sensors/ph/rejudgements`, { from: time(start) });
      await server.until(
        async () => (await series(system, 'un-ionised-ammonia', start)).length === 7,
        'they are back',
      );

      await post(system, start, { 'dissolved-oxygen': 8.263 });
      await derived(system, 'oxygen-saturation', start, 1);
      await server.request('PATCH', system, { altitudeM: 1500 });
      await server.until(
        async () => (await series(system, 'oxygen-saturation', start))[0]?.value > 115,
        'the air is thinner',
      );
    });

    it('counts the warmth of whole days, where the farm has its days', async () => {
      const system = await newSystem({ crop: 'tomato', timeZone: 'Pacific/Auckland' });
      const { DateTime } = await import('luxon');
      const day = DateTime.now().setZone('Pacific/Auckland').minus({ days: 3 }).startOf('day');
      const start = day.toMillis();
      const hours = day.plus({ days: 1 }).diff(day, 'hours').hours;
      const readings = Array.from({ length: hours }, (_, hour) => ({
        sensor: 'air-temperature',
        value: hour === 5 ? 12 : hour === 15 ? 24 : 18,
        observedAt: time(start + hour * HOUR),
      }));
      await server.post(`${system}/readings`, { readings });
      await post(system, start + DAY + HOUR * 2, { 'air-temperature': 30 });
      expect(await derived(system, 'degree-days', start, 2)).toMatchObject([
        { observedAt: time(start), value: 8, quality: 'good' },
        { value: 20, quality: 'suspect', reasons: ['incomplete'] },
      ]);
      // Somewhere else, other days.
      await server.request('PATCH', system, { timeZone: 'UTC' });
      await server.until(async () => {
        const found = await series(system, 'degree-days', start - 2 * DAY);
        return found.length > 0 && found.every(({ observedAt }) => observedAt.includes('T00:00:00.000Z'));
      }, 'days are those of UTC');
    });

    it('is what its inputs say, however mixed up and at once they came', async () => {
      const system = await newSystem();
      const start = Date.now() - 3 * HOUR;
      const random = randomNumbers(7);
      const batches = Array.from({ length: 60 }, () =>
        Array.from({ length: 10 }, () => {
          const sensor = ['water-temperature', 'dissolved-oxygen'][Math.floor(random() * 2)]!;
          const value = random() < 0.1 ? null : sensor === 'dissolved-oxygen' ? 6 + random() : 25 + random();
          return { sensor, value, observedAt: time(start + Math.floor(random() * 2 * HOUR)) };
        }),
      );
      const { servers } = deployment;
      await Promise.all(
        batches.map(async (readings, index) => {
          await new Promise((resolve) => setTimeout(resolve, index * 60));
          await servers[index % servers.length]!.post(`${system}/readings`, { readings });
        }),
      );
      const inputs = [];
      for (const sensor of ['dissolved-oxygen', 'water-temperature']) {
        const lastOfMinute = new Map<number, Sample>();
        for (const { observedAt, value, quality } of await series(system, sensor, start)) {
          const at = Date.parse(observedAt);
          lastOfMinute.set(Math.floor(at / MINUTE), { at, value: quality === 'good' ? value : null });
        }
        inputs.push({ samples: [...lastOfMinute.values()], staleAfterMs: 10 * MINUTE });
      }
      const expected = sideBySide(inputs, start, start + 2 * HOUR).map(({ at, values }) => [
        time(at),
        (100 * values[0]!) / saturatedOxygen(values[1]!),
      ]);
      expect(expected.length).toBeGreaterThan(50);
      await server.until(async () => {
        const found = await series(system, 'oxygen-saturation', start);
        return (
          JSON.stringify(found.map(({ observedAt, value }) => [observedAt, value])) ===
          JSON.stringify(expected)
        );
      }, 'the derived series is what its inputs say');
    });

    it('is derived after a restart where the process was killed before', async () => {
      const system = await newSystem();
      const at = Date.now() - 5 * MINUTE;
      for (const other of deployment.servers.slice(1)) await other.signal('SIGKILL');
      posts = 0;
      expect((await post(system, at, { 'water-temperature': 25, 'dissolved-oxygen': 8.263 })).stored).toBe(2);
      await server.signal('SIGKILL');
      for (const each of deployment.servers) await each.launch();
      expect((await derived(system, 'oxygen-saturation', at, 1))[0].value).toBeCloseTo(100, 1);
    });

    it('is complete after a long history came in at once', async () => {
      const system = await newSystem();
      const start = Date.now() - 5 * DAY;
      const readings = Array.from({ length: 2_000 }, (_, index) => [
        {
          sensor: 'water-temperature',
          value: 25 + (index % 5) / 10,
          observedAt: time(start + index * 3 * MINUTE),
        },
        {
          sensor: 'dissolved-oxygen',
          value: 8 + (index % 7) / 10,
          observedAt: time(start + index * 3 * MINUTE + 1000),
        },
      ]).flat();
      expect((await server.post(`${system}/readings`, { readings })).body.stored).toBe(4_000);
      await server.until(async () => {
        const answer = await server.get(
          `${system}/sensors/oxygen-saturation/readings?from=${time(start)}&limit=10000`,
        );
        return answer.body.readings?.length === 2_000;
      }, 'there are 2,000');
    });
  });
});
