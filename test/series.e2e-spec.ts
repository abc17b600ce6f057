import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DateTime, type DateTimeUnit } from 'luxon';

import { ask, Postgres } from './helpers/postgres.js';
import { expectProblem } from './helpers/problem.js';
import { ADMIN_KEY, GREENHOUSE, Server } from './helpers/server.js';
import { Stream } from './helpers/stream.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse('2026-03-26T17:03:00Z');
const END = Date.parse('2026-04-02T00:00:00Z');
const SENSOR = 'water-temperature';

interface Bucket {
  at: string;
  min: number | null;
  mean: number | null;
  max: number | null;
  last: number | null;
  count: number;
  suspect: number;
  bad: number;
}
interface Known {
  at: number;
  value: number | null;
  quality: 'good' | 'suspect' | 'bad';
}

const iso = (at: number): string => new Date(at).toISOString();

/** The same figures on every run. */
let seed = 7;
const random = (): number => {
  seed = (seed * 16_807) % 2_147_483_647;
  return seed / 2_147_483_647;
};

describe.each(['sqlite', 'postgres'] as const)('series on %s', (kind) => {
  let postgres: Postgres | undefined;
  let url = '';
  let server: Server;
  const known: Known[] = [];

  beforeAll(async () => {
    if (kind === 'postgres') {
      postgres = await Postgres.start();
      url = await postgres.database();
    }
    server = await Server.start(url ? { DATABASE_URL: url } : {});
    await server.post('/v1/systems', { ...GREENHOUSE, timeZone: 'Europe/Berlin' });
    known.push(...(await postWeek()));
  }, 60_000);

  afterAll(async () => {
    await server.stop();
    await postgres?.stop();
  });

  /** A week with a change of clocks in it, failed probes, jumps, a night without power, and batches in disorder. */
  async function postWeek(): Promise<Known[]> {
    const readings: { sensor: string; value: number | null; observedAt: string }[] = [];
    for (let at = START; at < END; at += random() < 0.3 ? MINUTE : Math.ceil(random() * 11 * MINUTE)) {
      if (at > START + 30 * HOUR && at < START + 41 * HOUR) continue;
      const fault = random();
      const value = fault < 0.03 ? -127 : fault < 0.05 ? null : fault < 0.1 ? 40 : 20 + 3 * random();
      readings.push({ sensor: SENSOR, value, observedAt: iso(at) });
    }
    const stored: Known[] = [];
    const third = Math.floor(readings.length / 3);
    for (const batch of [
      readings.slice(0, third),
      readings.slice(2 * third),
      readings.slice(third, 2 * third),
    ]) {
      const { body } = await server.post('/v1/systems/greenhouse/readings', { readings: batch });
      expect(body.stored).toBe(batch.length);
    }
    let next: string | null = iso(START);
    while (next) {
      const path = `/v1/systems/greenhouse/sensors/${SENSOR}/readings?from=${next}&to=${iso(END)}&limit=700`;
      const { body } = await server.get(path);
      for (const { observedAt, value, quality } of body.readings) {
        stored.push({ at: Date.parse(observedAt), value, quality });
      }
      next = body.next;
    }
    expect(stored).toHaveLength(readings.length);
    return stored;
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  const series = async (query: string): Promise<any> => {
    const { status, body } = await server.get(`/v1/systems/greenhouse/series?sensor=${SENSOR}&${query}`);
    expect({ status, body: status === 200 ? {} : body }).toEqual({ status: 200, body: {} });
    return body;
  };

  /** What the answer should say, straight from the readings; @param startOf by luxon, or by division */
  function expectExact(buckets: Bucket[], from: number, to: number, startOf: (at: number) => number): void {
    const expected = new Map<number, Known[]>();
    for (const reading of known.filter(({ at }) => at >= from && at < to)) {
      const start = startOf(reading.at);
      expected.set(start, [...(expected.get(start) ?? []), reading]);
    }
    expect(
      buckets.filter((each) => each.count + each.suspect + each.bad > 0).map(({ at }) => Date.parse(at)),
    ).toEqual([...expected.keys()]);
    for (const { at, mean, ...bucket } of buckets) {
      const readings = expected.get(Date.parse(at)) ?? [];
      const good = readings.filter(({ quality }) => quality === 'good').map(({ value }) => value!);
      const some = good.length > 0;
      expect({ at, ...bucket }).toEqual({
        at,
        min: some ? Math.min(...good) : null,
        max: some ? Math.max(...good) : null,
        last: some ? good.at(-1) : null,
        count: good.length,
        suspect: readings.filter(({ quality }) => quality === 'suspect').length,
        bad: readings.filter(({ quality }) => quality === 'bad').length,
      });
      if (some) expect(mean).toBeCloseTo(good.reduce((sum, value) => sum + value, 0) / good.length, 9);
      else expect(mean).toBeNull();
    }
  }

  it('has readings of every quality to tell', () => {
    expect(new Set(known.map(({ quality }) => quality))).toEqual(new Set(['good', 'suspect', 'bad']));
  });

  it('answers from whatever level exactly what the readings say', async () => {
    // Two looks of the upkeep: until then days are made of hours.
    await server.until(
      async () => (await series(`bucket=day&from=${iso(START)}&to=${iso(END)}`)).level === 'daily',
      'days',
    );
    const levels = new Map<string, number>();
    const zones = ['Europe/Berlin', 'UTC', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/St_Johns'];
    for (let round = 0; round < 120; round++) {
      const from = START + Math.floor(random() * 100) * HOUR + Math.floor(random() * 3) * 20 * MINUTE;
      const to = from + Math.ceil(random() * 60) * HOUR;
      const timeZone = zones[Math.floor(random() * zones.length)]!;
      const period = `from=${iso(from)}&to=${iso(to)}&timeZone=${timeZone}`;
      if (round % 3 === 0) {
        const points = 1 + Math.floor(random() * 90);
        const least = Math.ceil((to - from) / points);
        const width = least < HOUR ? least : Math.ceil(least / HOUR) * HOUR;
        const start = least < HOUR ? from : from - (from % HOUR);
        const { buckets, level } = await answer(`${period}&points=${points}`);
        levels.set(level, (levels.get(level) ?? 0) + 1);
        const end = start + Math.ceil((to - start) / width) * width;
        expectExact(buckets, start, end, (at) => at - ((at - start) % width));
      } else if (round % 3 === 1) {
        const width = 1000 * [900, 3600, 7200, 10_800, 5400, 86_400][Math.floor(random() * 6)]!;
        const { buckets, level } = await answer(`${period}&bucket=${width / 1000}`);
        levels.set(level, (levels.get(level) ?? 0) + 1);
        const end = Math.ceil(to / width) * width;
        expectExact(buckets, from - (from % width), end, (at) => at - (at % width));
      } else {
        const unit = (['hour', 'day', 'week', 'month'] as DateTimeUnit[])[Math.floor(random() * 4)]!;
        const { buckets, level, from: first, to: last } = await answer(`${period}&bucket=${unit}`);
        levels.set(level, (levels.get(level) ?? 0) + 1);
        const startOf = (at: number): number =>
          DateTime.fromMillis(at, { zone: timeZone }).startOf(unit).toMillis();
        expect([Date.parse(first), Date.parse(last)]).toEqual([
          startOf(from),
          DateTime.fromMillis(startOf(to - 1), { zone: timeZone })
            .plus({ [unit]: 1 })
            .toMillis(),
        ]);
        expectExact(buckets, Date.parse(first), Date.parse(last), startOf);
      }
    }
    for (const level of ['raw', 'hourly', 'daily']) expect(levels.get(level)).toBeGreaterThan(3);

    async function answer(
      query: string,
    ): Promise<{ buckets: Bucket[]; level: string; from: string; to: string }> {
      const { series: all, ...rest } = await series(query);
      return { ...rest, buckets: all[0].buckets };
    }
  }, 60_000);

  it('shows the night without power as a gap, and nothing before the first reading', async () => {
    const { buckets } = (
      await series(`bucket=hour&from=${iso(START - 48 * HOUR)}&to=${iso(START + 60 * HOUR)}`)
    ).series[0];
    expect(buckets[0].at).toBe('2026-03-26T17:00:00.000Z');
    const times = buckets.map(({ at }: Bucket) => Date.parse(at));
    expect(times).toEqual(times.map((_: number, index: number) => times[0] + index * HOUR));
    const empty = buckets.filter(({ count }: Bucket) => count === 0);
    expect(empty.length).toBeGreaterThanOrEqual(10);
    expect(empty[0]).toMatchObject({ min: null, mean: null, max: null, last: null, count: 0 });
  });

  it('shows nothing of a sensor that has said nothing', async () => {
    const path = `/v1/systems/greenhouse/series?sensor=ph,${SENSOR}&sensor=nitrate&bucket=day&from=${iso(START)}&to=${iso(END)}`;
    const { body } = await server.get(path);
    expect(body.series.map((each: { sensor: string }) => each.sensor)).toEqual(['ph', SENSOR, 'nitrate']);
    expect(body.series[0]).toEqual({ sensor: 'ph', quantity: 'ph', unit: '[pH]', buckets: [] });
  });

  it('gives what the probe said where it is asked for that', async () => {
    const day = `from=2026-03-30T00:00:00Z&to=2026-03-31T00:00:00Z&bucket=86400`;
    const [raw, calibrated] = [await series(`${day}&values=raw`), await series(day)];
    expect(raw.level).toBe('raw');
    expect(raw.series[0].buckets[0].count).toBe(calibrated.series[0].buckets[0].count);
    expect(raw.series[0].buckets[0].max).toBe(calibrated.series[0].buckets[0].max);
  });

  it('takes late readings into every level', async () => {
    const at = START + 35 * HOUR;
    const reading = { sensor: SENSOR, value: 21.5, observedAt: iso(at) };
    expect((await server.post('/v1/systems/greenhouse/readings', { readings: [reading] })).body.stored).toBe(
      1,
    );
    const period = `from=${iso(at)}&to=${iso(at + 1)}`;
    for (const bucket of ['60', 'hour']) {
      const [found] = (await series(`${period}&bucket=${bucket}`)).series[0].buckets;
      expect(found.count + found.suspect).toBe(1);
    }
    const place = known.findIndex((each) => each.at > at);
    const { body } = await server.get(`/v1/systems/greenhouse/sensors/${SENSOR}/readings?${period}`);
    known.splice(place, 0, { at, value: 21.5, quality: body.readings[0].quality });
    const day = await series(`${period}&bucket=day`);
    expectExact(day.series[0].buckets, Date.parse(day.from), Date.parse(day.to), () => Date.parse(day.from));
  });

  it.each([
    ['more buckets than fit', 'bucket=1&from=2000-01-01T00:00:00Z', 'bucket'],
    ['no width at all', 'bucket=0', 'bucket'],
    ['a unit that is none', 'bucket=fortnight', 'bucket'],
    ['points without number', 'points=many', 'points'],
    ['both at once', 'points=3&bucket=day', 'points'],
    ['an unknown place', 'timeZone=Mars/Olympus', 'timeZone'],
    ['a period that ends before it begins', 'from=2026-02-02T00:00:00Z&to=2026-02-01T00:00:00Z', 'from'],
    ['values of another kind', 'values=guessed', 'values'],
  ])('refuses %s', async (_, query, field) => {
    const answer = await server.get(`/v1/systems/greenhouse/series?sensor=ph&${query}`);
    expectProblem(answer, 400, 'REQUEST.INVALID');
    expect(answer.body.errors).toContainEqual(expect.objectContaining({ field }));
  });

  describe('an export', () => {
    const period = `from=${iso(START)}&to=${iso(END)}`;

    it('has every reading, with times by the clocks of the place', async () => {
      const path = `/v1/systems/greenhouse/export?format=csv&sensor=${SENSOR},ph&${period}`;
      const { headers, body } = await server.get(path);
      expect(headers.get('content-disposition')).toBe('attachment; filename="greenhouse.csv"');
      const lines = (body as string).split('\r\n');
      expect(lines.shift()).toBe('time,sensor,quantity,unit,value,quality,reasons');
      expect(lines.pop()).toBe('');
      const rows = lines.map((line) => line.split(','));
      expect(rows.map(([time]) => Date.parse(time!))).toEqual(known.map(({ at }) => at));
      expect(rows.map((row) => (row[4] === '' ? null : Number(row[4])))).toEqual(
        known.map(({ value }) => value),
      );
      expect(rows.map((row) => row[5])).toEqual(known.map(({ quality }) => quality));
      const summer = rows.findIndex(([time]) => time!.endsWith('+02:00'));
      expect(Date.parse(rows[summer]![0]!)).toBeGreaterThanOrEqual(Date.parse('2026-03-29T01:00:00Z'));
      expect(Date.parse(rows[summer - 1]![0]!)).toBeLessThan(Date.parse('2026-03-29T01:00:00Z'));
    });

    it('in line protocol has what the probes said', async () => {
      const path = `/v1/systems/greenhouse/export?format=line-protocol&sensor=${SENSOR}&${period}`;
      const lines = ((await server.get(path)).body as string).trimEnd().split('\n');
      expect(lines.length).toBeGreaterThan(0.9 * known.length);
      for (const line of lines)
        expect(line).toMatch(/^water-temperature,sensor=water-temperature value=-?[\d.]+ \d{13}000000$/);
      expect(lines.filter((line) => line.includes('value=-127 ')).length).toBeGreaterThan(0);
    });

    it('in line protocol can be posted as it is: here it is known, elsewhere it makes the same series', async () => {
      const path = `/v1/systems/greenhouse/export?format=line-protocol&sensor=${SENSOR}&${period}`;
      const lines = (await server.get(path)).body as string;
      const write = (systemId: string) =>
        server.post(`/api/v2/write?bucket=${systemId}`, lines, { 'content-type': 'text/plain' });
      expect((await write('greenhouse')).status).toBe(204);
      await server.post('/v1/systems', { ...GREENHOUSE, id: 'copy', timeZone: 'Europe/Berlin' });
      expect((await write('copy')).status).toBe(204);
      const copied = (await server.get(path.replace('greenhouse', 'copy'))).body as string;
      expect(copied).toBe(lines);
      expect((await server.get(path)).body).toBe(lines);
    });

    it('fails as a problem where it cannot begin', async () => {
      expectProblem(await server.get(`/v1/systems/greenhouse/export?format=xml`), 400, 'REQUEST.INVALID');
      expectProblem(
        await server.get(`/v1/systems/greenhouse/export?format=csv&sensor=nobody`),
        404,
        'SENSOR.NOT_FOUND',
      );
      expectProblem(await server.get(`/v1/systems/nowhere/export?format=csv`), 404, 'SYSTEM.NOT_FOUND');
    });
  });

  describe('live', () => {
    const now = (value: number | null, sensor = 'ph') =>
      server.post('/v1/systems/greenhouse/readings', { readings: [{ sensor, value }] });

    it('tells readings as they come, and no history', async () => {
      const stream = await Stream.open(server, 'greenhouse');
      await server.post('/v1/systems/greenhouse/readings', {
        readings: [{ sensor: 'ph', value: 6.1, observedAt: iso(Date.now() - 16 * MINUTE) }],
      });
      await now(6.8);
      await now(-127, 'air-temperature');
      const events = await stream.until(2);
      expect(
        events.map(({ event, data }) => [event, data.sensor, data.value, data.raw, data.quality]),
      ).toEqual([
        ['reading', 'ph', 6.8, 6.8, 'good'],
        ['reading', 'air-temperature', null, -127, 'bad'],
      ]);
      expect(events[1]!.data.reasons).toContain('below-physical-range');
      expect(Date.parse(events[0]!.data.observedAt as string)).toBeGreaterThan(Date.now() - MINUTE);
      stream.close();
    });

    it('goes on where it was lost', async () => {
      const first = await Stream.open(server, 'greenhouse');
      await now(6.91);
      await first.until(1);
      const lastId = first.lastId;
      first.close();
      await now(6.92);
      await now(6.93);
      const second = await Stream.open(server, 'greenhouse', { 'last-event-id': lastId });
      await second.untilEvent(({ data }) => data.value === 6.93);
      expect(second.events.map(({ data }) => data.value)).toEqual(expect.arrayContaining([6.92, 6.93]));
      await now(6.94);
      await second.untilEvent(({ data }) => data.value === 6.94);
      second.close();
    });

    if (kind === 'postgres') {
      it('says so where other replicas could not be heard for a while', async () => {
        const stream = await Stream.open(server, 'greenhouse');
        const ended = await ask(
          url,
          "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and pid <> pg_backend_pid()",
        );
        expect(ended).toHaveLength(1);
        await stream.untilEvent(({ event }) => event === 'reset');
        await now(6.95);
        await stream.untilEvent(({ data }) => data.value === 6.95);
        stream.close();
      });
    }

    it('says so where too much was missed', async () => {
      const lastId = String(Date.now() - 2 * HOUR);
      const stream = await Stream.open(server, 'greenhouse', { 'last-event-id': lastId });
      await stream.until(1);
      expect(stream.events[0]!.event).toBe('reset');
      expect(Number(stream.lastId)).toBeGreaterThan(Number(lastId));
      stream.close();
    });

    it('ends when its key is revoked, and is not open to a device', async () => {
      const { body: key } = await server.post('/v1/keys', { id: 'watcher', role: 'operator' });
      const stream = await Stream.open(server, 'greenhouse', { authorization: `Bearer ${key.secret}` });
      await server.request('DELETE', '/v1/keys/watcher');
      await stream.ended;
      const { body: device } = await server.post('/v1/keys', {
        id: 'probe',
        role: 'device',
        systemId: 'greenhouse',
      });
      const refused = await server.get('/v1/systems/greenhouse/live', {
        authorization: `Bearer ${device.secret}`,
      });
      expectProblem(refused, 403, 'KEY.FORBIDDEN');
      expectProblem(await server.get('/v1/systems/nowhere/live'), 404, 'SYSTEM.NOT_FOUND');
    });

    it('is bounded for each key', async () => {
      const streams = await Promise.all(Array.from({ length: 20 }, () => Stream.open(server, 'greenhouse')));
      const refused = await server.get('/v1/systems/greenhouse/live');
      expectProblem(refused, 429, 'LIVE.TOO_MANY');
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      for (const stream of streams) stream.close();
      await server.until(async () => {
        const again = await Stream.open(server, 'greenhouse').catch(() => undefined);
        again?.close();
        return again;
      }, 'there is room again');
    });
  });
});

describe('a long export', () => {
  const ROWS = 400_000;
  let server: Server;

  beforeAll(async () => {
    server = await Server.start();
    await server.post('/v1/systems', GREENHOUSE);
    for (let start = 0; start < ROWS; start += 10_000) {
      const readings = Array.from({ length: 10_000 }, (_, index) => ({
        sensor: 'ph',
        value: 6.5 + ((start + index) % 50) / 100,
        observedAt: iso(Date.UTC(2025, 0, 1) + (start + index) * MINUTE),
      }));
      expect((await server.post('/v1/systems/greenhouse/readings', { readings })).body.stored).toBe(10_000);
    }
  }, 60_000);

  afterAll(() => server.stop());

  const path = '/v1/systems/greenhouse/export?format=csv&sensor=ph&from=2025-01-01T00:00:00Z';
  const begin = (onChunk: (chunk: Buffer, response: IncomingMessage) => void) =>
    new Promise<'whole' | 'broken'>((resolve, reject) => {
      const asked = request(
        server.url + path,
        { headers: { authorization: `Bearer ${ADMIN_KEY}` } },
        (response) => {
          response.on('data', (chunk: Buffer) => onChunk(chunk, response));
          response.on('end', () => resolve('whole'));
          response.on('error', () => resolve('broken'));
        },
      );
      asked.on('error', reject);
      asked.end();
    });

  it('comes whole, and others are served meanwhile', async () => {
    let lines = 0;
    let isOver = false;
    const whole = begin((chunk) => {
      for (const byte of chunk) if (byte === 10) lines += 1;
    }).finally(() => (isOver = true));
    let served = 0;
    while (!isOver) {
      expect((await server.get('/v1/systems/greenhouse/status')).status).toBe(200);
      served += 1;
    }
    expect(await whole).toBe('whole');
    expect(lines).toBe(ROWS + 1);
    expect(served).toBeGreaterThan(10);
  });

  it('waits for whoever reads slowly, and is over when they go', async () => {
    let bytes = 0;
    await new Promise<void>((resolve, reject) => {
      const asked = request(
        server.url + path,
        { headers: { authorization: `Bearer ${ADMIN_KEY}` } },
        (response) => {
          response.once('data', (chunk: Buffer) => {
            bytes += chunk.length;
            response.pause();
            resolve();
          });
        },
      );
      asked.on('error', () => undefined);
      asked.end();
      setTimeout(() => asked.destroy(), 500).unref();
      setTimeout(() => reject(new Error('nothing came')), 10_000).unref();
    });
    expect(bytes).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await server.get('/v1/systems/greenhouse/status')).status).toBe(200);
    expect(server.output).not.toMatch(/"level":(50|"error")/);
  });

  it('breaks off when the service ends, and does not look whole', async () => {
    let stopped: Promise<unknown> | undefined;
    const how = await begin((_, response) => {
      if (stopped) return;
      response.pause();
      stopped = server.signal('SIGTERM').finally(() => response.resume());
    });
    expect(how).toBe('broken');
    expect(await stopped).toEqual({ code: 0, signal: null });
    await server.launch();
  });

  it('ends live streams with the service', async () => {
    const stream = await Stream.open(server, 'greenhouse');
    const ended = await server.signal('SIGTERM');
    await stream.ended;
    expect(ended).toEqual({ code: 0, signal: null });
  });
});
