import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { FLAKY, FlakyServer } from './helpers/flaky.ts';
import { isRunning, workersOf } from './helpers/processes.ts';
import { runInVain } from './helpers/run.ts';
import { ADMIN_KEY, GREENHOUSE, Server } from './helpers/server.ts';

describe('the service, killed while readings pour in', () => {
  const SENSORS = ['water-temperature', 'ph', 'dissolved-oxygen', 'nitrite', 'nitrate', 'flow-rate'];
  const BATCH = 20;
  const ROUNDS = 3;
  const FIRST_OBSERVATION = Date.now() - 6 * 3_600_000;

  let server: Server;

  beforeAll(async () => {
    server = await Server.start();
    await server.post('/v1/systems', GREENHOUSE);
  });
  afterAll(() => server.stop());

  interface Sent {
    sensor: string;
    value: number;
    observedAt: string;
  }

  const post = (readings: Sent[]) => server.post('/v1/systems/greenhouse/readings', { readings });

  async function everyReading(sensor: string): Promise<{ observedAt: string; value: number }[]> {
    const from = new Date(FIRST_OBSERVATION).toISOString();
    const path = `/v1/systems/greenhouse/sensors/${sensor}/readings?limit=10000&from=${from}`;
    const { body } = await server.get(path);
    expect(body.next).toBeNull();
    return body.readings as { observedAt: string; value: number }[];
  }

  it('has every reading that it acknowledged when it starts again, and none twice', async () => {
    const acknowledged: Sent[] = [];
    let sequence = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const goal = acknowledged.length + 30 * BATCH;
      const writers = SENSORS.map(async (sensor) => {
        for (;;) {
          const readings = Array.from({ length: BATCH }, () => ({
            sensor,
            value: 1 + (sequence % 7),
            observedAt: new Date(FIRST_OBSERVATION + sequence++).toISOString(),
          }));
          const answer = await post(readings).catch(() => undefined);
          if (answer?.status !== 200) return;
          acknowledged.push(...readings);
        }
      });
      await server.until(() => acknowledged.length >= goal, 'readings pour in');
      await server.signal('SIGKILL');
      await Promise.all(writers);
      await server.launch();

      for (const sensor of SENSORS) {
        const kept = await everyReading(sensor);
        const valueAt = new Map(kept.map(({ observedAt, value }) => [observedAt, value]));
        const sent = acknowledged.filter((reading) => reading.sensor === sensor);
        expect(sent.filter(({ observedAt, value }) => valueAt.get(observedAt) !== value)).toEqual([]);
        expect(valueAt.size).toBe(kept.length);
      }
    }

    // A device that missed an answer sends again: nothing changes.
    const before = await everyReading('ph');
    const again = acknowledged.filter((reading) => reading.sensor === 'ph');
    expect((await post(again)).body).toMatchObject({ stored: 0, duplicates: again.length, refused: 0 });
    expect(await everyReading('ph')).toEqual(before);
  });
});

describe('the service, told to stop', () => {
  let flaky: FlakyServer;

  afterEach(() => flaky.stop());

  const workers = () => workersOf(flaky.server.pid);
  const connection = async (): Promise<Socket> => {
    const socket = connect(flaky.server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  it('finishes what is under way, ends its workers, leaves the port and exits with 0', async () => {
    flaky = await FlakyServer.start();
    const pids = workers();
    const late = flaky.evaluate(FLAKY.repliesLate);
    await flaky.server.until(async () => (await flaky.pool()).workers.busy === 1, 'the request is under way');
    const ended = flaky.server.signal('SIGTERM');

    expect((await late).status).toBe(200);
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(pids.length).toBeGreaterThanOrEqual(3);
    expect(pids.filter(isRunning)).toEqual([]);
    await expect(fetch(`${flaky.server.url}/health/live`)).rejects.toThrow();
  });

  it('does not wait for connections with nothing under way', async () => {
    flaky = await FlakyServer.start();
    const used = await connection();
    used.write('GET /health/live HTTP/1.1\r\nHost: farm\r\nConnection: keep-alive\r\n\r\n');
    await once(used, 'data');
    const givenUp = await connection();
    givenUp.write(
      `POST /v1/analyses HTTP/1.1\r\nHost: farm\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n1`,
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    givenUp.resetAndDestroy();
    const unused = await connection();
    const started = performance.now();

    expect(await flaky.server.signal('SIGTERM')).toEqual({ code: 0, signal: null });
    // Left alone, such a connection lives for more than a minute.
    expect(performance.now() - started).toBeLessThan(10_000);
    for (const socket of [used, unused]) socket.destroy();
  });

  it('ends workers that do not listen', async () => {
    flaky = await FlakyServer.start({}, { vision: 'ignores-the-end' });
    await flaky.untilReady();
    const pids = workers();

    expect(await flaky.server.signal('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(pids.length).toBeGreaterThanOrEqual(3);
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it('stops once, however often it is told', async () => {
    flaky = await FlakyServer.start();
    const late = flaky.evaluate(FLAKY.repliesLate);
    await flaky.server.until(async () => (await flaky.pool()).workers.busy === 1, 'the request is under way');
    process.kill(flaky.server.pid, 'SIGTERM');
    process.kill(flaky.server.pid, 'SIGINT');

    expect((await late).status).toBe(200);
    expect(await flaky.server.signal('SIGTERM')).toEqual({ code: 0, signal: null });
  });
});

describe('the service, ended with Ctrl-C', () => {
  it('finishes what its workers are at, although the signal reaches them too', async () => {
    const server = await Server.start({ AQUAPONIA_FUZZY_CONTROLLER_WORKERS: '1' }, { leadsGroup: true });
    const [worker] = workersOf(server.pid, 'fuzzy_controller') as [number];
    // Stopped, it has the request before it when the signal comes, and takes both when it goes on.
    process.kill(worker, 'SIGSTOP');
    const late = server.post('/v1/control/evaluations', { inputs: { ph: 7 } });
    const busy = async (): Promise<boolean> => {
      const { body } = await server.get('/health/ready');
      return body.parts.fuzzy_controller.workers.busy === 1;
    };
    await server.until(busy, 'the request is under way');
    process.kill(-server.pid, 'SIGINT');
    process.kill(worker, 'SIGCONT');

    expect((await late).status).toBe(200);
    expect(await server.signal('SIGINT')).toEqual({ code: 0, signal: null });
    expect(server.output).not.toMatch(/Traceback|KeyboardInterrupt/);
    await server.stop();
  });
});

describe('the service, where it cannot start', () => {
  /** One line on standard error, and no stack anywhere. */
  function expectSentence(
    run: { code: number | null; stdout: string; stderr: string },
    sentence: RegExp,
  ): void {
    expect({ code: run.code, stderr: run.stderr.trimEnd() }).toEqual({
      code: 1,
      stderr: expect.stringMatching(sentence),
    });
    expect(run.stderr.trimEnd()).not.toContain('\n');
    expect(run.stdout).not.toMatch(/^\s+at /m);
  }

  it('says that its port is in use, and leaves the other alone', async () => {
    const server = await Server.start();
    const dataDir = join(tmpdir(), `aquaponia-second-${process.pid}`);
    try {
      const run = await runInVain({ PORT: String(server.port), AQUAPONIA_DATA_DIR: dataDir });

      expectSentence(
        run,
        new RegExp(`^Port ${server.port} is in use: stop what listens there, or set PORT to another\\.$`),
      );
      expect((await server.get('/health/live')).status).toBe(200);
    } finally {
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  it('says that its data cannot be kept where a file stands', async () => {
    const file = join(tmpdir(), `aquaponia-not-a-directory-${process.pid}`);
    writeFileSync(file, 'mine');

    const run = await runInVain({ AQUAPONIA_DATA_DIR: file });
    expectSentence(
      run,
      new RegExp(`^The configuration is wrong: AQUAPONIA_DATA_DIR must be a directory .*${file}`),
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
    rmSync(file);
  });

  it('makes no admin key in vain: it is shown at the first start that succeeds', async () => {
    const server = await Server.start({ AQUAPONIA_ADMIN_KEY: '' });
    await server.signal('SIGKILL');
    for (const file of readdirSync(server.dataDir)) rmSync(join(server.dataDir, file));
    const other = await Server.start();
    const port = { PORT: String(other.port), AQUAPONIA_DATA_DIR: server.dataDir };
    expect((await runInVain(port)).stdout).not.toContain('Admin key');
    await other.stop();

    await server.launch();
    await server.until(() => server.output.includes('Admin key'), 'the key is shown');
    await server.stop();
  });

  it('says that there is no Python where there is none', async () => {
    const run = await runInVain({ AQUAPONIA_PYTHON: '/nowhere/python', AQUAPONIA_SCRIPTS_DIR: '/nowhere' });
    expectSentence(
      run,
      /^The configuration is wrong: AQUAPONIA_PYTHON names .*AQUAPONIA_SCRIPTS_DIR names .*\.$/,
    );
  });

  it('names everything that is wrong with its configuration at once', async () => {
    const run = await runInVain({
      PORT: '99999',
      AQUAPONIA_ADMIN_KEY: 'short',
      AQUAPONIA_LOG_LEVEL: 'loud',
      AQUAPONIA_VISION_WORKERS: '0',
      AQUAPONIA_FUZZY_CONTROLLER_DEADLINE_MS: '2s',
      AQUAPONIA_WEBHOOKS_MAY_BE_PRIVATE: 'perhaps',
    });

    expectSentence(run, /^The configuration is wrong: .*\.$/);
    for (const wrong of [
      'PORT must be a whole number from 0 to 65535, not "99999"',
      'AQUAPONIA_ADMIN_KEY must have at least 16 characters',
      'AQUAPONIA_LOG_LEVEL must be one of',
      'AQUAPONIA_VISION_WORKERS must be a whole number from 1 to 64, not "0"',
      'AQUAPONIA_FUZZY_CONTROLLER_DEADLINE_MS must be a whole number from 10 to 600000, not "2s"',
      'AQUAPONIA_WEBHOOKS_MAY_BE_PRIVATE must be true or false, not "perhaps"',
    ]) {
      expect(run.stderr).toContain(wrong);
    }
    expect(run.stderr).not.toContain('short');
  });
});

describe('the first admin key', () => {
  const keyIn = (output: string) => /Admin key +(\S+)/.exec(output)?.[1];

  it('is shown at the first start alone, works ever after, and is kept as a hash', async () => {
    const server = await Server.start({ AQUAPONIA_ADMIN_KEY: '' });
    const key = keyIn(server.output)!;
    const keys = () => server.get('/v1/keys', { authorization: `Bearer ${key}` });

    expect(key).toMatch(/^aq_[\w-]{43}$/);
    expect((await keys()).status).toBe(200);
    expect((await server.get('/v1/keys', { authorization: `Bearer ${ADMIN_KEY}` })).status).toBe(401);
    await server.signal('SIGTERM');
    expect(server.output.split(key)).toHaveLength(2);

    await server.launch();
    expect(keyIn(server.output)).toBeUndefined();
    expect((await keys()).status).toBe(200);
    await server.signal('SIGTERM');

    const files = readdirSync(server.dataDir);
    expect(files).toContain('aquaponia.db');
    for (const file of files) expect(readFileSync(join(server.dataDir, file), 'latin1')).not.toContain(key);
    await server.stop();
  });
});
