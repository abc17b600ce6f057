import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { GREENHOUSE, type Server } from './helpers/server.js';
import { Deployment, STORES } from './helpers/stores.js';

/* eslint-disable @typescript-eslint/no-explicit-any */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const time = (at: number): string => new Date(at).toISOString();

let deployment: Deployment;
let server: Server;
let systems = 0;

async function newSystem(more: object = {}): Promise<string> {
  const id = `quality-${++systems}`;
  expect((await server.post('/v1/systems', { ...GREENHOUSE, id, ...more })).status).toBe(201);
  return `/v1/systems/${id}`;
}

type Observed = [at: number, value: number | null];

const post = async (system: string, sensor: string, readings: Observed[]): Promise<any[]> => {
  const answer = await server.post(`${system}/readings`, {
    readings: readings.map(([at, value]) => ({ sensor, value, observedAt: time(at) })),
  });
  expect(answer.status).toBe(200);
  return answer.body.results;
};

const stored = async (system: string, sensor: string, from: number): Promise<any[]> =>
  (await server.get(`${system}/sensors/${sensor}/readings?from=${time(from)}&limit=10000`)).body.readings;

/** What the roll-ups say is what the readings say. */
async function expectRollupsToAgree(system: string, sensor: string): Promise<void> {
  const [found] = await deployment.select<{ number: number }>(
    `select number from sensors where system_id = '${system.split('/').pop()}' and id = '${sensor}'`,
  );
  const { number } = found!;
  const readings = await deployment.select<any>(
    `select observed_at as at, value, quality from readings where sensor_number = ${number} order by observed_at`,
  );
  for (const [table, width] of [
    ['rollups_hourly', HOUR],
    ['rollups_daily', 24 * HOUR],
  ] as const) {
    const kept = await deployment.select<any>(
      `select at, count, sum, min, max, last, suspect, bad from ${table} where sensor_number = ${number} order by at`,
    );
    const groups = new Map<number, any[]>();
    for (const reading of readings) {
      const at = Math.floor(Number(reading.at) / width) * width;
      groups.set(at, [...(groups.get(at) ?? []), reading]);
    }
    expect(kept.map((row) => ({ ...row, at: Number(row.at) }))).toEqual(
      [...groups].map(([at, group]) => {
        const good = group.filter(({ quality }) => quality === 0).map(({ value }) => value);
        return {
          at,
          count: good.length,
          sum: expect.closeTo(
            good.reduce((sum, value) => sum + value, 0),
            6,
          ),
          min: good.length > 0 ? Math.min(...good) : null,
          max: good.length > 0 ? Math.max(...good) : null,
          last: good.at(-1) ?? null,
          suspect: group.filter(({ quality }) => quality === 1).length,
          bad: group.filter(({ quality }) => quality === 2).length,
        };
      }),
    );
  }
}

describe.each(STORES)('on %s', (kind) => {
  beforeAll(async () => {
    deployment = await Deployment.start(kind);
    server = deployment.first;
  }, 60_000);

  afterAll(() => deployment.stop());

  describe('the gate knows what was before', () => {
    it('flags an outlier and a power-up, and neither is acted on', async () => {
      const system = await newSystem();
      const now = Date.now() - 5 * MINUTE;
      const results = await post(system, 'water-temperature', [
        [now, 25],
        [now + 20_000, 85],
        [now + 40_000, 25.1],
        [now + 60_000, 0],
        [now + 80_000, 25.1],
      ]);
      expect(results.map(({ quality, reasons }) => [quality, reasons])).toEqual([
        ['good', []],
        ['bad', ['above-physical-range', 'power-up']],
        ['good', []],
        ['suspect', ['rate']],
        ['good', []],
      ]);
      expect((await stored(system, 'water-temperature', now))[3]).toMatchObject({ value: 0, raw: 0 });
    });

    it('flags a figure that is reported over and over, also from one request to the next', async () => {
      const system = await newSystem();
      const start = Date.now() - 8 * HOUR;
      for (let hour = 0; hour < 7; hour += 1) {
        const results = await post(
          system,
          'dissolved-oxygen',
          [0, 15, 30, 45].map((minute): Observed => [start + hour * HOUR + minute * MINUTE, 6.5]),
        );
        expect(results.map(({ reasons }) => reasons)).toEqual(
          [0, 15, 30, 45].map((minute) => (hour * 60 + minute > 360 ? ['stuck'] : [])),
        );
      }
      expect(
        (await server.get(`${system}/status`)).body.sensors.find((s: any) => s.sensor === 'dissolved-oxygen')
          .condition,
      ).toBe('bad');
    });
  });

  describe('the rules of a sensor', () => {
    it('are those of its quantity until an operator sets others', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/water-temperature/rules`;
      expect((await server.get(path)).body).toMatchObject({
        unit: 'Cel',
        rules: { physical: [-2, 50], maxPerMinute: 10, stuckAfterSeconds: 86_400, staleAfterSeconds: 600 },
        overridden: [],
      });
      const set = await server.request('PUT', path, { physical: [5, 35], maxPerMinute: null });
      expect(set).toMatchObject({
        status: 200,
        body: {
          rules: { physical: [5, 35], maxPerMinute: null, noiseAbove: 2 },
          overridden: ['maxPerMinute', 'physical'],
        },
      });
      const now = Date.now() - MINUTE;
      const results = await post(system, 'water-temperature', [
        [now, 34],
        [now + 1000, 6],
        [now + 2000, 36],
      ]);
      expect(results.map(({ quality }) => quality)).toEqual(['good', 'good', 'bad']);
      await server.request('PUT', path, {});
      expect((await server.get(path)).body.overridden).toEqual([]);
    });

    it.each([
      [{ physical: [5, 5] }, 'physical'],
      [{ physical: [5] }, 'physical'],
      [{ physical: null }, 'physical'],
      [{ sentinels: ['x'] }, 'sentinels'],
      [{ maxPerMinute: -1 }, 'maxPerMinute'],
      [{ stuckAfterSeconds: 1 }, 'stuckAfterSeconds'],
      [{ staleAfterSeconds: null }, 'staleAfterSeconds'],
      [{ colour: 'red' }, 'colour'],
    ])('refuse %j', async (body, field) => {
      const system = await newSystem();
      const answer = await server.request('PUT', `${system}/sensors/ph/rules`, body);
      expect(answer).toMatchObject({
        status: 400,
        body: {
          code: 'REQUEST.INVALID',
          errors: expect.arrayContaining([expect.objectContaining({ field })]),
        },
      });
    });

    it('run over history on request: qualities, values, roll-ups and the newest reading follow', async () => {
      const system = await newSystem();
      const start = Date.now() - 26 * HOUR;
      const readings = Array.from({ length: 5_000 }, (_, index): Observed => [
        start + index * 18_000,
        20 + Math.abs(50 - (index % 100)) / 3,
      ]);
      await post(system, 'water-temperature', readings);
      await server.request('PUT', `${system}/sensors/water-temperature/rules`, {
        physical: [0, 30],
        maxPerMinute: null,
      });
      const path = `${system}/sensors/water-temperature/rejudgements`;
      const [from, to] = [time(start), time(start + 25 * HOUR)];
      const expected = readings.filter(([, value]) => value! > 30).length;
      const first = await server.post(path, { from, to });
      expect(first).toMatchObject({
        status: 200,
        body: { readings: 5_000, changed: expected, good: 5_000 - expected, suspect: 0, bad: expected },
      });
      const after = await stored(system, 'water-temperature', start);
      expect(after.filter(({ quality }) => quality === 'bad')).toHaveLength(expected);
      for (const { raw, value, quality } of after) expect(value).toBe(quality === 'bad' ? null : raw);
      await expectRollupsToAgree(system, 'water-temperature');
      const status = (await server.get(`${system}/status`)).body;
      expect(status.sensors.find((each: any) => each.sensor === 'water-temperature').reading.quality).toBe(
        'bad',
      );

      // Again: nothing left to change. Back: as it was.
      expect((await server.post(path, { from, to })).body).toMatchObject({ changed: 0 });
      await server.request('PUT', `${system}/sensors/water-temperature/rules`, {});
      expect((await server.post(path, { from, to })).body.bad).toBe(0);
      await expectRollupsToAgree(system, 'water-temperature');
      expect((await server.post(path, { from: to, to: from })).status).toBe(400);
      expect((await server.post(`${system}/sensors/nobody/rejudgements`, { from })).status).toBe(404);
    });
  });

  describe('calibrating', () => {
    const bottle = (path: string, body: object) => server.post(`${path}/calibration-session/points`, body);

    it('a pH probe: a session, two bottles, and the values from then on', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/ph`;
      const before = Date.now() - HOUR;
      await post(system, 'ph', [[before, 7.1]]);
      expect((await server.get(`${path}/calibration-session`)).body.code).toBe('CALIBRATION.NOT_OPEN');
      const session = await server.post(`${path}/calibration-session`);
      expect(session).toMatchObject({ status: 201, body: { sensor: 'ph', points: [] } });
      expect(Date.parse(session.body.endsAt) - Date.parse(session.body.startedAt)).toBe(30 * MINUTE);
      expect((await server.post(`${path}/calibration-session`)).body.code).toBe('CALIBRATION.OPEN');

      // In the bottle: three readings that lie together are its point.
      expect((await bottle(path, { reference: 7 })).body.code).toBe('CALIBRATION.NOT_SETTLED');
      const inBottle = await server.post(`${system}/readings`, { readings: [{ sensor: 'ph', value: 7.11 }] });
      expect(inBottle.body.results[0]).toMatchObject({ quality: 'suspect', reasons: ['calibrating'] });
      for (const value of [7.1, 7.12]) {
        await server.post(`${system}/readings`, { readings: [{ sensor: 'ph', value }] });
      }
      expect((await bottle(path, { reference: 7 })).body.points).toEqual([
        { raw: 7.11, reference: 7, temperatureC: null },
      ]);
      expect((await bottle(path, { reference: 4, raw: 9 })).body.points).toHaveLength(2);
      expect((await bottle(path, { reference: 15, raw: 9 })).body.errors[0].field).toBe('reference');
      expect((await bottle(path, {})).body.errors[0].field).toBe('reference');
      const wrong = await server.post(`${path}/calibrations`, {});
      expect(wrong).toMatchObject({
        status: 422,
        body: { code: 'CALIBRATION.SLOPE', slopePercent: expect.any(Number) },
      });
      expect((await bottle(path, { reference: 4, raw: 4.2 })).body.points).toHaveLength(2);
      const applied = await server.post(`${path}/calibrations`, {});
      expect(applied).toMatchObject({
        status: 201,
        body: { number: 1, slopePercent: 97, slopeAccepted: false, restores: null, rejudged: null },
      });

      const after = await server.post(`${system}/readings`, { readings: [{ sensor: 'ph', value: 7.11 }] });
      expect(after.body.results[0].quality).toBe('good');
      const series = await stored(system, 'ph', before);
      expect(series[0]).toMatchObject({ raw: 7.1, value: 7.1 });
      expect(series.at(-1)).toMatchObject({ raw: 7.11, value: 7 });
      const view = (await server.get(system)).body.sensors.find((each: any) => each.id === 'ph');
      expect(view).toMatchObject({ calibrationDue: false });
      expect(Date.parse(view.calibrationDueAt) - Date.parse(view.calibratedAt)).toBe(30 * 24 * HOUR);
    });

    it('backwards: the past gets its values anew from what the probe said, and an earlier calibration can come back', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/ph`;
      const start = Date.now() - 10 * HOUR;
      const raws = Array.from({ length: 600 }, (_, minute): Observed => [
        start + minute * MINUTE + 1000,
        7 + (minute % 7) / 100,
      ]);
      await post(system, 'ph', raws);
      const from = start + 2 * HOUR;
      await server.post(`${path}/calibration-session`);
      await bottle(path, { reference: 6.8, raw: 7 });
      const applied = await server.post(`${path}/calibrations`, { from: time(from) });
      expect(applied.body).toMatchObject({
        number: 1,
        from: time(from),
        rejudged: { readings: 480, changed: 480, good: 480 },
      });
      const check = async (shift: number): Promise<void> => {
        for (const { observedAt, raw, value } of await stored(system, 'ph', start - MINUTE)) {
          expect(value).toBeCloseTo(raw - (Date.parse(observedAt) >= from ? shift : 0), 9);
        }
        await expectRollupsToAgree(system, 'ph');
      };
      await check(0.2);
      // Late, from before the calibration: it does not hold for it.
      await post(system, 'ph', [[from - 90_500, 7.05]]);
      await check(0.2);

      const none = await server.post(`${path}/calibrations/0/restorations`, { from: time(from) });
      expect(none.body).toMatchObject({ number: 2, restores: 0 });
      await check(0);
      const back = await server.post(`${path}/calibrations/1/restorations`, { from: time(from) });
      expect(back.body).toMatchObject({ number: 3, restores: 1, points: applied.body.points });
      await check(0.2);
      const list = (await server.get(`${path}/calibrations`)).body.calibrations;
      expect(list.map((each: any) => [each.number, each.restores])).toEqual([
        [3, 1],
        [2, 0],
        [1, null],
      ]);
      expect((await server.post(`${path}/calibrations/9/restorations`, {})).body.code).toBe(
        'CALIBRATION.NOT_FOUND',
      );
      expect(
        (await server.post(`${path}/calibrations/1/restorations`, { from: time(Date.now() + HOUR) })).status,
      ).toBe(400);
    });

    it('can be cancelled, and leaves nothing', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/ph`;
      await server.post(`${path}/calibration-session`);
      await bottle(path, { reference: 7, raw: 7.5 });
      for (let times = 0; times < 2; times += 1) {
        expect((await server.post(`${path}/calibration-session/cancellations`)).status).toBe(204);
      }
      expect((await server.post(`${path}/calibrations`, {})).body.code).toBe('CALIBRATION.NOT_OPEN');
      const after = await server.post(`${system}/readings`, { readings: [{ sensor: 'ph', value: 7.5 }] });
      expect(after.body.results[0]).toMatchObject({ quality: 'good', reasons: [] });
      expect((await server.get(`${path}/calibrations`)).body.calibrations).toEqual([]);
    });

    it('a worn probe wants to be accepted, and that is remembered', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/ph`;
      await server.post(`${path}/calibration-session`);
      await bottle(path, { reference: 7, raw: 7 });
      await bottle(path, { reference: 4, raw: 4.5 });
      expect((await server.post(`${path}/calibrations`, {})).body).toMatchObject({
        code: 'CALIBRATION.SLOPE',
        slopePercent: 83.33,
      });
      expect((await server.post(`${path}/calibrations`, { acceptSlope: true })).body).toMatchObject({
        slopePercent: 83.33,
        slopeAccepted: true,
      });
    });

    it('a probe that speaks in millivolts has no values before', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/ph`;
      expect((await server.request('PATCH', path, { rawUnit: 'mV' })).body).toMatchObject({ rawUnit: 'mV' });
      const at = Date.now() - HOUR;
      expect((await post(system, 'ph', [[at, 0]]))[0]).toMatchObject({
        quality: 'bad',
        reasons: ['uncalibrated'],
      });
      await server.post(`${path}/calibration-session`);
      await bottle(path, { reference: 7, raw: 2, temperatureC: 25 });
      await bottle(path, { reference: 4, raw: 176, temperatureC: 25 });
      expect((await server.post(`${path}/calibrations`, { from: time(at) })).body).toMatchObject({
        slopePercent: 98.04,
        rejudged: { changed: 1, good: 1 },
      });
      expect((await stored(system, 'ph', at))[0].value).toBeCloseTo(7.0345, 4);
      expect((await server.request('PATCH', path, { rawUnit: null })).body.code).toBe('SENSOR.CALIBRATED');
    });

    it('an oxygen probe in air-saturated water, at the altitude and temperature of the farm', async () => {
      const system = await newSystem({ altitudeM: 1500 });
      const path = `${system}/sensors/dissolved-oxygen`;
      await server.post(`${path}/calibration-session`);
      expect((await bottle(path, { kind: 'air-saturated', raw: 6.9 })).body.code).toBe(
        'CALIBRATION.TEMPERATURE',
      );
      await server.post(`${system}/readings`, { readings: [{ sensor: 'water-temperature', value: 25 }] });
      const point = (await bottle(path, { kind: 'air-saturated', raw: 6.9 })).body.points[0];
      expect(point.reference).toBeCloseTo(6.853, 2);
      expect(point.temperatureC).toBe(25);
      expect((await bottle(path, { kind: 'zero', raw: 0.1 })).body.points).toHaveLength(2);
      expect((await server.post(`${path}/calibrations`, {})).status).toBe(201);
      expect((await bottle(`${system}/sensors/ph`, { kind: 'zero', raw: 0 })).status).toBe(409);
    });

    it('a conductivity probe that leaves the temperature to us', async () => {
      const system = await newSystem();
      const path = `${system}/sensors/electrical-conductivity`;
      await server.request('PATCH', path, { temperatureCompensated: false });
      expect(
        (await server.request('PATCH', `${system}/sensors/ph`, { temperatureCompensated: false })).status,
      ).toBe(400);
      const at = Date.now() - 5 * MINUTE;
      expect((await post(system, 'electrical-conductivity', [[at - MINUTE, 1100]]))[0]).toMatchObject({
        quality: 'suspect',
        reasons: ['uncompensated'],
      });
      await post(system, 'water-temperature', [[at, 30]]);
      await post(system, 'electrical-conductivity', [[at + 1000, 1100]]);
      expect((await stored(system, 'electrical-conductivity', at))[0]).toMatchObject({
        quality: 'good',
        raw: 1100,
      });
      expect((await stored(system, 'electrical-conductivity', at))[0].value).toBeCloseTo(1000, 6);
      await server.post(`${path}/calibration-session`);
      expect((await bottle(path, { reference: 1413, raw: 1554.3 })).body.points[0].temperatureC).toBe(30);
      const applied = await server.post(`${path}/calibrations`, { from: time(at - HOUR) });
      expect(applied.body).toMatchObject({ slopePercent: 100, rejudged: { readings: 2, suspect: 1 } });
    });

    it('conductivity that comes together with the temperature which it needs', async () => {
      const system = await newSystem();
      const [probe, thermometer] = ['electrical-conductivity', 'water-temperature'];
      await server.request('PATCH', `${system}/sensors/${probe}`, { temperatureCompensated: false });
      const start = Date.now() - 3 * HOUR;
      // After an outage, whichever of the two the device names first.
      const readings = [0, 1, 2].flatMap((hour) => [
        { sensor: probe, value: 1100, observedAt: time(start + hour * HOUR) },
        { sensor: thermometer, value: 30 - hour, observedAt: time(start + hour * HOUR) },
      ]);
      const { body } = await server.post(`${system}/readings`, { readings });
      expect(body.results.map((each: any) => each.quality)).toEqual(Array(6).fill('good'));
      const values = (await stored(system, probe, start)).map(({ value }: any) => value as number);
      expect(values.map((value) => Math.round(value))).toEqual([1000, 1019, 1038]);
    });
  });

  describe('the status', () => {
    const of = async (system: string, sensor: string): Promise<any> =>
      (await server.get(`${system}/status`)).body.sensors.find((each: any) => each.sensor === sensor);

    it('names two sensors that contradict one another', async () => {
      const system = await newSystem();
      const spare = { id: 'spare-ph', deviceId: 'water', quantity: 'ph', place: 'tank' };
      expect((await server.post(`${system}/sensors`, spare)).status).toBe(201);
      const now = Date.now() - 1000;
      await post(system, 'ph', [[now, 7]]);
      await post(system, 'spare-ph', [[now, 7.2]]);
      expect((await server.get(`${system}/status`)).body.disagreements).toEqual([]);
      await post(system, 'spare-ph', [[now + 1, 7.4]]);
      expect((await server.get(`${system}/status`)).body.disagreements).toEqual([
        { quantity: 'ph', place: 'tank', sensors: ['ph', 'spare-ph'], difference: 0.4, tolerance: 0.3 },
      ]);
    });

    it("goes by the sensor's own idea of what is stale", async () => {
      const system = await newSystem();
      await post(system, 'ph', [[Date.now() - 20 * MINUTE, 7]]);
      expect(await of(system, 'ph')).toMatchObject({ condition: 'stale', staleAfterSeconds: 600 });
      await server.request('PUT', `${system}/sensors/ph/rules`, { staleAfterSeconds: 3600 });
      expect(await of(system, 'ph')).toMatchObject({
        condition: 'fresh',
        staleAfterSeconds: 3600,
        calibrationDue: false,
      });
    });
  });

  describe('another replica, which has not heard of a change yet', () => {
    it('takes readings by the old rules, and they are judged again by the new ones', async () => {
      const system = await newSystem();
      const at = Date.now() - 1000;
      const warm = { readings: [{ sensor: 'water-temperature', value: 30, observedAt: time(at + 500) }] };
      // It knows the system from here on.
      const other = deployment.last;
      await other.post(`${system}/readings`, {
        readings: [{ sensor: 'water-temperature', value: 29, observedAt: time(at) }],
      });
      await server.request('PUT', `${system}/sensors/water-temperature/rules`, { physical: [0, 25] });
      const later = { readings: [{ ...warm.readings[0], observedAt: undefined }] };
      const answer = await other.post(`${system}/readings`, later);
      expect(answer.body.results[0].quality).toBe(other === server ? 'bad' : 'good');
      await server.until(
        async () => (await stored(system, 'water-temperature', at + 1))[0]?.quality === 'bad',
        'it is bad',
      );
      // What was there before stays as it was judged.
      expect((await stored(system, 'water-temperature', at))[0].quality).toBe('good');
    }, 30_000);
  });
});
