import { hash } from 'node:crypto';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import pg from 'pg';

import { MIGRATIONS } from '../src/migrations.js';
import { migrate } from '../src/platform/database/migrate.js';
import { kyselyOverFile } from '../src/platform/database/sqlite.js';
import { ask, Postgres } from './helpers/postgres.js';
import { ADMIN_KEY, GREENHOUSE, Server } from './helpers/server.js';
import { runTool, startTool } from './helpers/tool.js';

const TIMEOUT_MS = 120_000;
const FIRST = Date.UTC(2026, 0, 1);
const READINGS = 20_000;

type Row = Record<string, unknown>;

/** One look at a store from outside, all of it at the same moment. */
type Look = <T>(action: (ask: (sql: string) => Promise<Row[]>) => Promise<T>) => Promise<T>;

describe.each(['sqlite', 'postgres'] as const)('a backup of a service on %s', (kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-backup-'));
  const fileOf = (name: string): string => join(folder, name);
  let postgres: Postgres | undefined;
  let server: Server;
  let env: Record<string, string>;

  beforeAll(async () => {
    if (kind === 'postgres') postgres = await Postgres.start();
    const url = await postgres?.database();
    server = await Server.start(url ? { DATABASE_URL: url } : {});
    env = url ? { DATABASE_URL: url } : { AQUAPONIA_DATA_DIR: server.dataDir };
    await server.post('/v1/systems', GREENHOUSE);
    for (let from = 0; from < READINGS; from += 2_000) await post('greenhouse', from, 2_000);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await (server as Server | undefined)?.stop();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const post = (system: string, from: number, count: number) =>
    server.post(`/v1/systems/${system}/readings`, {
      readings: Array.from({ length: count }, (_, index) => ({
        sensor: ['ph', 'nitrite'][index % 2],
        value: 5 + Math.sin(from + index),
        observedAt: new Date(FIRST + 1_000 * (from + index)).toISOString(),
      })),
    });

  const backUp = async (name: string): Promise<string> => {
    expect(await runTool('backup', [fileOf(name)], env)).toEqual({
      code: 0,
      said: expect.stringMatching(/^\d+ rows are in .*, whole when read back\.\n$/),
    });
    return fileOf(name);
  };
  const restore = (file: string) => runTool('restore', [file], env);

  const look: Look = async (action) => {
    if (env.DATABASE_URL) {
      const client = new pg.Client({ connectionString: env.DATABASE_URL });
      await client.connect();
      try {
        await client.query('begin isolation level repeatable read read only');
        return await action(async (text) => (await client.query<Row>(text)).rows);
      } finally {
        await client.end();
      }
    }
    const database = new DatabaseSync(join(server.dataDir, 'aquaponia.db'), { readOnly: true });
    database.exec('begin');
    try {
      return await action((text) => Promise.resolve(database.prepare(text).all() as Row[]));
    } finally {
      database.close();
    }
  };
  /** Whether somebody has begun to write, and not ended yet. */
  async function watchForWriting(): Promise<{ isSeen: () => Promise<boolean>; end: () => Promise<void> }> {
    if (env.DATABASE_URL) {
      const client = new pg.Client({ connectionString: env.DATABASE_URL });
      await client.connect();
      const locks =
        "select from pg_locks where mode = 'ExclusiveLock' and granted and relation = 'readings'::regclass";
      return { isSeen: async () => (await client.query(locks)).rows.length > 0, end: () => client.end() };
    }
    const database = new DatabaseSync(join(server.dataDir, 'aquaponia.db'), { timeout: 0 });
    const isSeen = () => {
      try {
        database.exec('begin immediate; rollback');
        return false;
      } catch {
        return true;
      }
    };
    return { isSeen: () => Promise.resolve(isSeen()), end: () => Promise.resolve(database.close()) };
  }

  const count = async (query: (sql: string) => Promise<Row[]>, from: string): Promise<number> =>
    Number((await query(`select count(*) as count from ${from}`))[0]!.count);

  /** What a load of a few devices does, until it is told to stop. @returns what was acknowledged. */
  function load(system: string): { acknowledged: Set<number>; stop: () => Promise<void> } {
    const acknowledged = new Set<number>();
    let isOver = false;
    const writers = [0, 1].map(async (writer) => {
      for (let next = 1_000_000 * (writer + 1); !isOver; next += 10) {
        const { status } = await post(system, next, 10);
        // Somebody else holds the store, or the system is gone.
        if (status !== 200) expect([404, 503]).toContain(status);
        else for (let index = 0; index < 10; index++) acknowledged.add(next + index);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    const stop = async (): Promise<void> => {
      isOver = true;
      await Promise.all(writers);
    };
    return { acknowledged, stop };
  }

  it(
    'has all that was acknowledged before it, while more comes in',
    async () => {
      const devices = load('greenhouse');
      await server.until(() => devices.acknowledged.size > 100, 'there is load');
      const before = new Set(devices.acknowledged);
      const file = await backUp('under-load.db');
      await devices.stop();

      const database = new DatabaseSync(file, { readOnly: true });
      const times = database.prepare('select observed_at from readings').all() as { observed_at: number }[];
      const kept = new Set(times.map(({ observed_at }) => (observed_at - FIRST) / 1_000));
      expect([...before].filter((second) => !kept.has(second))).toEqual([]);
      const rollups = database
        .prepare('select sum(count + suspect + bad) as count from rollups_hourly')
        .get();
      // Of one moment: what is counted is what is there.
      expect(rollups!.count).toBe(kept.size);
      database.close();
      expect(readdirSync(folder)).toEqual(['under-load.db']);
    },
    TIMEOUT_MS,
  );

  it(
    'takes the place of what came after it, at one moment, under load, and the service notices',
    async () => {
      const revoked: string = (await server.post('/v1/keys', { id: 'revoked', role: 'operator' })).body
        .secret;
      const file = await backUp('before.db');
      const readingsBefore = await look((query) => count(query, 'readings'));
      await server.request('DELETE', '/v1/keys/revoked');
      const later: string = (await server.post('/v1/keys', { id: 'later', role: 'operator' })).body.secret;
      await server.post('/v1/systems', { ...GREENHOUSE, id: 'later' });
      const highest = (query: (sql: string) => Promise<Row[]>) =>
        query('select max(number) as number from sensors').then((rows) => Number(rows[0]!.number));
      const numberBefore = await look(highest);

      const devices = load('later');
      await server.until(() => devices.acknowledged.size > 100, 'there is load');
      const restoring = startTool('restore', [file], env);
      let isOver = false;
      void restoring.ended.then(() => (isOver = true));
      const moments: { system: number; key: number; readings: number }[] = [];
      do {
        moments.push(
          await look(async (query) => ({
            system: await count(query, "systems where id = 'later'"),
            key: await count(query, "keys where id = 'later'"),
            readings: await count(query, 'readings'),
          })),
        );
        await new Promise((resolve) => setImmediate(resolve));
      } while (!isOver);
      expect(await restoring.ended).toEqual({
        code: 0,
        said: expect.stringMatching(/^\d+ rows are restored from/),
      });
      await devices.stop();

      // All of the old, then all of the new, and never a part.
      for (const { system, key, readings } of moments) {
        expect([system, key]).toEqual([system, system]);
        if (system === 1) expect(readings).toBeGreaterThanOrEqual(readingsBefore + 100);
        else expect(readings).toBeGreaterThanOrEqual(readingsBefore);
      }
      const order = moments.map(({ system }) => system);
      expect(order).toEqual(order.toSorted((a, b) => b - a));

      const status = (secret: string) => async () =>
        (await server.get('/v1/systems', { authorization: `Bearer ${secret}` })).status;
      await server.until(async () => (await status(later)()) === 401, 'a later key is unknown');
      await server.until(
        async () => (await status(revoked)()) === 200,
        'a key that was revoked later is good again',
      );
      await server.until(
        async () => (await server.get('/v1/systems/later/status')).status === 404,
        'a later system is gone',
      );
      // A number that was given out is not given out again, although nobody has it any more.
      await server.post('/v1/systems', { ...GREENHOUSE, id: 'afterwards' });
      const numbers = await look((query) =>
        query("select number from sensors where system_id = 'afterwards'"),
      );
      expect(Math.min(...numbers.map(({ number }) => Number(number)))).toBeGreaterThan(numberBefore);
      expect((await post('afterwards', 0, 10)).body.stored).toBe(10);
      expect((await server.get('/health/ready')).status).toBe(200);
    },
    TIMEOUT_MS,
  );

  it(
    'that is restored and killed over it has changed all or nothing',
    async () => {
      const file = await backUp('whole.db');
      const readings = await look((query) => count(query, 'readings'));
      const writing = await watchForWriting();
      for (let round = 0; round < 4; round++) {
        await server.post('/v1/systems', { ...GREENHOUSE, id: 'torn' });
        await post('torn', 0, 1_000);
        const restoring = startTool('restore', [file], env);
        while (!(await writing.isSeen())) await new Promise((resolve) => setTimeout(resolve, 1));
        // At another step of it each time.
        await new Promise((resolve) => setTimeout(resolve, 15 * round));
        restoring.child.kill('SIGKILL');
        await restoring.ended;
        const moment = () =>
          look(async (query) => [
            await count(query, "systems where id = 'torn'"),
            await count(query, 'readings'),
          ]);
        // PostgreSQL notices a little later that nobody is there any more.
        await server.until(
          async () => (await server.post('/v1/keys', { id: 'x', role: 'operator' })).status !== 503,
          'it is free',
        );
        expect([
          [1, readings + 1_000],
          [0, readings],
        ]).toContainEqual(await moment());
      }
      await writing.end();
      expect((await restore(file)).code).toBe(0);
      expect(await look((query) => count(query, 'readings'))).toBe(readings);
    },
    TIMEOUT_MS,
  );

  it(
    'is refused where it is cut off, damaged, newer, or none, before anything is touched',
    async () => {
      const file = await backUp('good.db');
      const cut = fileOf('cut.db');
      copyFileSync(file, cut);
      truncateSync(cut, Math.floor(readFileSync(cut).length / 2));
      const damaged = fileOf('damaged.db');
      const bytes = readFileSync(file);
      bytes.fill(0x5a, 20 * 4096, 24 * 4096);
      writeFileSync(damaged, bytes);
      const newer = fileOf('newer.db');
      copyFileSync(file, newer);
      const changed = new DatabaseSync(newer);
      changed.exec("insert into kysely_migration values ('2099-01-01-1-wings', '2099-01-01T00:00:00.000Z')");
      changed.close();
      const foreign = fileOf('foreign.db');
      const other = new DatabaseSync(foreign);
      other.exec('create table readings (id integer primary key)');
      other.close();
      const text = fileOf('text.db');
      writeFileSync(text, 'my backup');

      await server.post('/v1/systems', { ...GREENHOUSE, id: 'untouched' });
      for (const [bad, reason] of [
        [cut, /cannot be read|is damaged/],
        [damaged, /is damaged/],
        [newer, /newer version \(2099-01-01-1-wings\)/],
        [foreign, /no backup or store of Aquaponia/],
        [text, /no backup or store of Aquaponia/],
        [fileOf('nothing.db'), /There is no /],
      ] as const) {
        const { code, said } = await restore(bad);
        expect({ code, said }).toEqual({ code: 1, said: expect.stringMatching(reason) });
        expect(said.trimEnd()).not.toContain('\n');
      }
      expect((await server.get('/v1/systems/untouched')).status).toBe(200);
      expect(await runTool('backup', [file], env)).toMatchObject({
        code: 1,
        said: expect.stringMatching(/is there already/),
      });
    },
    TIMEOUT_MS,
  );

  it(
    'of an older version is brought up to date on the way, and stays as it was',
    async () => {
      const file = fileOf('older.db');
      const names = Object.keys(MIGRATIONS).filter((name) => name < '2026-11-22');
      const database = kyselyOverFile(file);
      await migrate(database, Object.fromEntries(names.map((name) => [name, MIGRATIONS[name]!])));
      await sql`insert into systems (id, name, species, crop, altitude_m, created_at) values ('old', 'Old', 'nile-tilapia', 'lettuce', 0, 1)`.execute(
        database,
      );
      // Keys come back with the rest.
      await sql`insert into keys values ('mine', 'admin', null, ${hash('sha256', ADMIN_KEY)}, 1)`.execute(
        database,
      );
      await sql`insert into devices values ('old', 'water', 'Water')`.execute(database);
      await sql`insert into sensors (system_id, id, device_id, quantity, place) values ('old', 'ph', 'water', 'ph', 'tank')`.execute(
        database,
      );
      await sql`insert into readings values (1, ${FIRST}, 1, 6.5, 6.5, 'good', '')`.execute(database);
      await database.destroy();
      const bytes = readFileSync(file);

      expect((await restore(file)).code).toBe(0);
      expect(readFileSync(file).equals(bytes)).toBe(true);
      const path = `/v1/systems/old/sensors/ph/readings?from=${new Date(FIRST).toISOString()}`;
      await server.until(async () => (await server.get(path)).status === 200, 'the old system is there');
      expect((await server.get(path)).body.readings).toMatchObject([{ value: 6.5, quality: 'good' }]);
    },
    TIMEOUT_MS,
  );
});

describe('a store, copied into one of the other kind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-copy-'));
  let postgres: Postgres;

  beforeAll(async () => {
    postgres = await Postgres.start();
  });
  afterAll(async () => {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    'holds the same, serves the same, and goes on counting where it was',
    async () => {
      const server = await Server.start();
      await server.post('/v1/systems', { ...GREENHOUSE, name: 'Grün 🐟' });
      const secret: string = (await server.post('/v1/keys', { id: 'tablet', role: 'operator' })).body.secret;
      const now = { ph: 6.8, 'water-temperature': 26, 'dissolved-oxygen': 1.1, 'water-level': -127 };
      await server.post('/v1/systems/greenhouse/readings', {
        readings: Object.entries(now).map(([sensor, value]) => ({ sensor, value })),
      });
      await server.post('/v1/systems/greenhouse/decisions', { issueCommands: true });
      await server.post('/v1/systems/greenhouse/classifications');
      const from = `sqlite:${join(server.dataDir, 'aquaponia.db')}`;
      const to = await postgres.database();
      const copied = {
        code: 0,
        said: expect.stringMatching(/^\d+ rows in \d+ tables are copied, and the same when read back/),
      };
      expect(await runTool('db-copy', ['--from', from, '--to', to])).toEqual(copied);
      const there = await Server.start({ DATABASE_URL: to });
      const paths = [
        '/v1/systems',
        '/v1/systems/greenhouse',
        '/v1/systems/greenhouse/sensors/ph/readings',
        '/v1/systems/greenhouse/decisions',
        '/v1/systems/greenhouse/notifications',
      ];
      for (const path of paths) {
        const [one, other] = [
          await server.get(path),
          await there.get(path, { authorization: `Bearer ${secret}` }),
        ];
        expect({ path, status: other.status, body: other.body }).toEqual({
          path,
          status: 200,
          body: one.body,
        });
      }
      const [decision] = (await server.get('/v1/systems/greenhouse/decisions')).body.decisions;
      const next = await there.post('/v1/systems/greenhouse/decisions', { issueCommands: false });
      expect(next.body.id).toBe(decision.id + 1);

      // Not into a store in use, in either direction; and back into an empty one.
      expect(await runTool('db-copy', ['--from', from, '--to', to])).toMatchObject({
        code: 1,
        said: expect.stringMatching(/is not empty: \w+ has \d+ rows/),
      });
      expect(await runTool('db-copy', ['--from', to, '--to', from])).toMatchObject({
        code: 1,
        said: expect.stringMatching(/is not empty/),
      });
      const back = join(folder, 'back.db');
      expect(await runTool('db-copy', ['--from', to, '--to', back])).toEqual(copied);
      const [counted] = await ask(to, 'select count(*)::int as count from readings');
      const database = new DatabaseSync(back, { readOnly: true });
      expect(database.prepare('select count(*) as count from readings').get()).toEqual({ ...counted });
      database.close();
      await Promise.all([server.stop(), there.stop()]);
    },
    TIMEOUT_MS,
  );

  it('says in a sentence what it needs', async () => {
    expect(await runTool('db-copy', [])).toMatchObject({
      code: 1,
      said: expect.stringMatching(/^--from and --to/),
    });
    const unreachable = await runTool('db-copy', [
      '--from',
      'postgresql://u:secret@127.0.0.1:1/x',
      '--to',
      join(folder, 'x.db'),
    ]);
    expect(unreachable).toMatchObject({ code: 1, said: expect.stringMatching(/ECONNREFUSED/) });
    expect(unreachable.said).not.toContain('secret');
    const empty = { DATABASE_URL: await postgres.database() };
    expect(await runTool('backup', [join(folder, 'empty.db')], empty)).toMatchObject({
      code: 1,
      said: expect.stringMatching(/^PostgreSQL at .* is no store of Aquaponia\.\n$/),
    });
  });
});
