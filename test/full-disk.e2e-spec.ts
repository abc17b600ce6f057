import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { GREENHOUSE, Server } from './helpers/server.js';

const START = Date.UTC(2026, 0, 1);
const SIZE = 500;

let server: Server;

beforeAll(async () => {
  // Linux kills who writes beyond the limit, unless they listen: then the write fails, as on a full disk.
  const listens = `--import=data:text/javascript,${encodeURIComponent("process.on('SIGXFSZ',()=>{})")}`;
  server = await Server.start({ MQTT_PORT: 'off', NODE_OPTIONS: listens });
  await server.post('/v1/systems', GREENHOUSE);
});
afterAll(() => server.stop());

const batch = (number: number) => ({
  readings: Array.from({ length: SIZE }, (_, index) => ({
    sensor: 'flow-rate',
    value: index,
    observedAt: new Date(START + (number * SIZE + index) * 1_000).toISOString(),
  })),
});

/** No file of the process may grow beyond this: what a disk does that is full, and can be given room again. */
const limitFiles = (bytes: number | 'unlimited'): void =>
  void execFileSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:unlimited`]);

const ifLimits = process.platform === 'linux' ? it : it.skip;

describe('a disk that is full', () => {
  ifLimits('acknowledges nothing, says so, and takes it again when there is room', async () => {
    const post = (number: number) => server.post('/v1/systems/greenhouse/readings', batch(number));
    expect((await post(0)).status).toBe(200);
    limitFiles(statSync(join(server.dataDir, 'aquaponia.db-wal')).size + 100_000);
    let number = 1;
    let answer = await post(number);
    for (; answer.status === 200; answer = await post(number)) number += 1;
    expect(answer).toMatchObject({ status: 503, body: { code: 'STORE.UNAVAILABLE' } });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await post(number)).status).toBe(503);
    // What it has, it still tells.
    const { body } = await server.get('/v1/systems/greenhouse/status');
    const status = body.sensors.find(({ sensor }: { sensor: string }) => sensor === 'flow-rate');
    expect(status.reading.observedAt).toBe(new Date(START + (number * SIZE - 1) * 1_000).toISOString());

    limitFiles('unlimited');
    expect((await post(number)).body).toMatchObject({ stored: SIZE, duplicates: 0 });
    expect((await post(0)).body).toMatchObject({ stored: 0, duplicates: SIZE });
    const { body: series } = await server.get(
      `/v1/systems/greenhouse/series?sensor=flow-rate&bucket=day&from=${new Date(START).toISOString()}&to=${new Date(START + 86_400_000).toISOString()}`,
    );
    const [{ count, suspect, bad }] = series.series[0].buckets;
    expect(count + suspect + bad).toBe((number + 1) * SIZE);
  });
});
