import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';

import { ask, Postgres } from './helpers/postgres.js';
import { expectProblem } from './helpers/problem.js';
import { Proxy } from './helpers/proxy.js';
import { runInVain } from './helpers/run.js';
import { ADMIN_KEY, type Answer, GREENHOUSE, Server } from './helpers/server.js';

const TIMEOUT_MS = 60_000;

function expectUnavailable(answer: Answer): void {
  expectProblem(answer, 503, 'STORE.UNAVAILABLE');
  expect(answer.headers.get('retry-after')).toBe('5');
}

describe('PostgreSQL, gone for a while', () => {
  let postgres: Postgres;
  let server: Server;
  let systems = 0;

  beforeAll(async () => {
    postgres = await Postgres.start();
  });
  afterAll(() => postgres.stop());

  beforeEach(async () => {
    server = await Server.start({ DATABASE_URL: await postgres.database(), DATABASE_STATEMENT_MS: '1000' });
  });
  afterEach(() => server.stop());

  const newSystem = (id = `farm-${++systems}`) => server.post('/v1/systems', { ...GREENHOUSE, id });
  const health = () => server.get('/health/ready');
  const recovered = () =>
    server.until(
      async () => (await health()).status === 200 && (await newSystem()).status === 201,
      'it is well',
    );

  it.each([
    ['killed', () => postgres.kill()],
    ['shut down', () => postgres.shutDown()],
  ])(
    'is answered for with 503 when it is %s, and is used again when it is back',
    async (_how, end) => {
      const acknowledged: string[] = [];
      const others: Answer[] = [];
      let isOver = false;
      const writers = Array.from({ length: 6 }, async () => {
        while (!isOver) {
          const id = `farm-${++systems}`;
          const answer = await newSystem(id);
          if (answer.status === 201) acknowledged.push(id);
          else others.push(answer);
        }
      });
      await server.until(() => acknowledged.length >= 20, 'systems are made');
      await end();
      await server.until(() => others.length >= 20, 'it is missed');
      const sick = await health();
      expectUnavailable(await server.get('/v1/systems'));
      // Nobody knows whose this key is.
      expectUnavailable(await server.get('/v1/systems', { authorization: 'Bearer somebody-else' }));
      isOver = true;
      await Promise.all(writers);

      for (const answer of others) expectUnavailable(answer);
      expect({ status: sick.status, ready: sick.body.parts.database.ready }).toEqual({
        status: 503,
        ready: false,
      });
      expect((await server.get('/health/live')).status).toBe(200);

      await postgres.launch();
      await recovered();
      const { systems: kept } = (await server.get('/v1/systems')).body;
      const ids = new Set(kept.map(({ id }: { id: string }) => id));
      expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
      expect(server.output).not.toMatch(/uncaught|unhandled/i);
    },
    TIMEOUT_MS,
  );

  it(
    'loses no reading that was acknowledged, and counts none twice, however often it is killed',
    async () => {
      const url = await postgres.database();
      const servers = await Promise.all([1, 2].map(() => Server.start({ DATABASE_URL: url })));
      await servers[0]!.post('/v1/systems', GREENHOUSE);
      const first = Date.now() - 3_600_000;
      const acknowledged = new Map<string, number>();
      let sequence = 0;
      let isOver = false;
      const writers = Array.from({ length: 6 }, async (_, index) => {
        const sensor = ['ph', 'nitrite', 'nitrate'][index % 3]!;
        let batch: { sensor: string; value: number; observedAt: string }[] = [];
        while (!isOver) {
          // As a device does: what was not acknowledged is sent again, to whichever process answers.
          if (batch.length === 0) {
            batch = Array.from({ length: 20 }, () => {
              sequence += 1;
              return {
                sensor,
                value: 5 + (sequence % 3),
                observedAt: new Date(first + sequence).toISOString(),
              };
            });
          }
          const body = { readings: batch };
          const answers = await Promise.all(
            servers.map((each) => each.post('/v1/systems/greenhouse/readings', body)),
          );
          for (const answer of answers) if (answer.status !== 200) expectUnavailable(answer);
          if (!answers.some(({ status }) => status === 200)) continue;
          for (const { observedAt, value } of batch) acknowledged.set(observedAt, value);
          batch = [];
        }
      });
      for (let round = 0; round < 3; round++) {
        const goal = acknowledged.size + 400;
        await servers[0]!.until(() => acknowledged.size >= goal, 'readings pour in');
        await postgres.kill();
        await postgres.launch();
      }
      isOver = true;
      await Promise.all(writers);

      const kept = await ask(url, 'select observed_at, raw from readings');
      const valueAt = new Map(kept.map((row) => [new Date(Number(row.observed_at)).toISOString(), row.raw]));
      expect([...acknowledged].filter(([at, value]) => valueAt.get(at) !== value)).toEqual([]);
      for (const table of ['rollups_hourly', 'rollups_daily']) {
        const [counted] = await ask(url, `select sum(count + suspect + bad)::int as count from ${table}`);
        expect(counted!.count).toBe(kept.length);
      }
      await Promise.all(servers.map((each) => each.stop()));
    },
    TIMEOUT_MS,
  );

  it(
    'is given up while it hangs, and is used again when it goes on',
    async () => {
      await newSystem();
      postgres.signal('SIGSTOP');
      const waiting = Promise.all([newSystem(), server.get('/v1/systems'), health()]);
      const [made, listed, sick] = await waiting.finally(() => postgres.signal('SIGCONT'));
      expectUnavailable(made);
      expectUnavailable(listed);
      expect(sick.body.parts.database).toEqual({ ready: false, error: 'no answer within 3 s' });
      await recovered();
    },
    TIMEOUT_MS,
  );

  it(
    'may end connections, one by one and all, without ending the service',
    async () => {
      const url = await postgres.database();
      const other = await Server.start({ DATABASE_URL: url });
      const end =
        'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = $1';
      for (let round = 0; round < 5; round++) {
        const answers = Array.from({ length: 10 }, () =>
          other.post('/v1/systems', { ...GREENHOUSE, id: `s-${++systems}` }),
        );
        await ask(url, end, [new URL(url).pathname.slice(1)]);
        for (const answer of await Promise.all(answers)) {
          if (answer.status !== 201) expectUnavailable(answer);
        }
      }
      await other.until(async () => (await other.get('/health/ready')).status === 200, 'it is well');
      await other.stop();
    },
    TIMEOUT_MS,
  );

  it(
    'is connected to anew when its connections lead nowhere',
    async () => {
      const proxy = await Proxy.to(postgres.port);
      const url = (await postgres.database()).replace(`:${postgres.port}/`, `:${proxy.port}/`);
      const other = await Server.start({ DATABASE_URL: url, DATABASE_STATEMENT_MS: '100' });
      await Promise.all(Array.from({ length: 4 }, () => other.get('/v1/systems')));
      proxy.swallow();
      const answers = await Promise.all(Array.from({ length: 10 }, () => other.get('/v1/systems')));
      const failed = answers.filter(({ status }) => status !== 200);
      expect(failed.length).toBeGreaterThan(0);
      for (const answer of failed) expectUnavailable(answer);
      const again = await Promise.all(Array.from({ length: 10 }, () => other.get('/v1/systems')));
      expect(again.map(({ status }) => status)).toEqual(Array(10).fill(200));
      await other.stop();
      proxy.close();
    },
    TIMEOUT_MS,
  );

  it('ends a statement that takes too long, and says so', async () => {
    const url = await postgres.database();
    const other = await Server.start({ DATABASE_URL: url, DATABASE_STATEMENT_MS: '300' });
    await other.post('/v1/systems', GREENHOUSE);
    const lock = ask(url, 'begin; lock table systems in access exclusive mode; select pg_sleep(2); commit');
    await other.until(
      async () =>
        (await ask(url, "select 1 from pg_locks where mode = 'AccessExclusiveLock' and granted")).length,
      'it is locked',
    );
    expectUnavailable(await other.get('/v1/systems'));
    await lock;
    expect((await other.get('/v1/systems')).status).toBe(200);
    await other.stop();
  });
});

describe('PostgreSQL at the start', () => {
  let postgres: Postgres;

  beforeAll(async () => {
    postgres = await Postgres.start();
  });
  afterAll(() => postgres.stop());

  it(
    'is waited for',
    async () => {
      const url = await postgres.database();
      await postgres.kill();
      const starting = Server.start({ DATABASE_URL: url });
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await postgres.launch();
      const server = await starting;
      expect(server.output).toMatch(/PostgreSQL at 127\.0\.0\.1:\d+\/farm_\d+ does not answer yet/);
      await server.stop();
    },
    TIMEOUT_MS,
  );

  it.each([
    [
      'the password is wrong',
      (url: string) => url.replace('secret', 'guess'),
      /password authentication failed/,
    ],
    ['there is no such database', (url: string) => `${url}_not`, /database "farm_\d+_not" does not exist/],
    ['it speaks no TLS', (url: string) => `${url}?sslmode=require`, /does not support SSL/],
  ])('is explained in one sentence where %s', async (_what, change, reason) => {
    const run = await runInVain({ DATABASE_URL: change(await postgres.database()) });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      /^Aquaponia could not start: PostgreSQL at 127.* cannot be used \(.*\): correct DATABASE_URL.*\n$/,
    );
    expect(run.stderr).toMatch(reason);
    expect(run.stderr + run.stdout).not.toMatch(/secret|guess/);
  });

  it(
    'is brought up to date by one of several processes that start at once, and serves them all',
    async () => {
      const url = await postgres.database();
      const [one, other] = await Promise.all([
        Server.start({ DATABASE_URL: url }),
        Server.start({ DATABASE_URL: url }),
      ]);
      const key = { id: 'tablet', role: 'operator' };
      const secret: string = (await one.post('/v1/keys', key)).body.secret;
      const withKey = { authorization: `Bearer ${secret}` };
      expect((await other.get('/v1/systems', withKey)).status).toBe(200);
      expect((await other.post('/v1/keys', key)).body.code).toBe('KEY.TAKEN');
      await other.post('/v1/systems', GREENHOUSE);
      expect((await one.get('/v1/systems/greenhouse')).status).toBe(200);

      expect((await one.request('DELETE', '/v1/keys/tablet')).status).toBe(204);
      expect((await one.get('/v1/systems', withKey)).status).toBe(401);
      const isRefused = async () => (await other.get('/v1/systems', withKey)).status === 401;
      await other.until(isRefused, 'the other has heard that the key is revoked');
      await Promise.all([one.stop(), other.stop()]);
    },
    TIMEOUT_MS,
  );

  it(
    'stores readings of a month that it has no partition for while somebody reads, and keeps no reader waiting',
    async () => {
      const url = await postgres.database();
      const servers = await Promise.all(
        [1, 2].map(() => Server.start({ DATABASE_URL: url, DATABASE_STATEMENT_MS: '3000' })),
      );
      await servers[0]!.post('/v1/systems', GREENHOUSE);
      const post = (server: Server, observedAt: string) =>
        server.post('/v1/systems/greenhouse/readings', {
          readings: [{ sensor: 'ph', value: 7, observedAt }],
        });
      expect((await post(servers[0]!, '2024-01-15T00:00:00Z')).status).toBe(200);
      // As `pg_dump` does, for as long as it takes.
      const reader = new pg.Client({ connectionString: url });
      await reader.connect();
      await reader.query('begin; select * from readings');
      const asked = [
        post(servers[0]!, '2024-02-15T00:00:00Z'),
        post(servers[1]!, '2024-02-16T00:00:00Z'),
        servers[0]!.get('/v1/systems/greenhouse/status'),
      ];
      expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200]);
      await reader.end();
      const [stored] = await ask(url, 'select count(*)::int as readings from readings_2024_02');
      expect(stored).toEqual({ readings: 2 });
      await Promise.all(servers.map((server) => server.stop()));
    },
    TIMEOUT_MS,
  );

  it(
    'gets one admin key, however many processes start at once, and one of them shows it',
    async () => {
      const url = await postgres.database();
      const servers = await Promise.all(
        [1, 2, 3].map(() => Server.start({ DATABASE_URL: url, AQUAPONIA_ADMIN_KEY: '' })),
      );
      const shown = servers.flatMap(({ output }) => /Admin key +(\S+)/.exec(output)?.[1] ?? []);
      expect(shown).toHaveLength(1);
      const answers = await Promise.all(
        servers.map((server) => server.get('/v1/keys', { authorization: `Bearer ${shown[0]}` })),
      );
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(await servers[0]!.get('/v1/keys', { authorization: `Bearer ${ADMIN_KEY}` })).toMatchObject({
        status: 401,
      });
      await Promise.all(servers.map((server) => server.stop()));
    },
    TIMEOUT_MS,
  );
});

describe('SQLite, held by another program', () => {
  it(
    'is answered for with 503, and is used again when it is free',
    async () => {
      const server = await Server.start();
      await server.post('/v1/systems', GREENHOUSE);
      const other = new DatabaseSync(join(server.dataDir, 'aquaponia.db'));
      other.exec('begin immediate');
      expectUnavailable(await server.post('/v1/systems', { ...GREENHOUSE, id: 'second' }));
      const readings = { readings: [{ sensor: 'ph', value: 7 }] };
      expectUnavailable(await server.post('/v1/systems/greenhouse/readings', readings));
      expect((await server.get('/v1/systems/greenhouse')).status).toBe(200);
      other.exec('rollback');
      other.close();
      expect((await server.post('/v1/systems', { ...GREENHOUSE, id: 'second' })).status).toBe(201);
      expect((await server.post('/v1/systems/greenhouse/readings', readings)).status).toBe(200);
      await server.stop();
    },
    TIMEOUT_MS,
  );
});
