import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';

import type { Batch, Commit } from '../src/readings/flush.js';
import { PostgresStore } from '../src/readings/postgres.store.js';
import type { SensorFacts } from '../src/readings/sensor-facts.js';
import { Postgres } from './helpers/postgres.js';
import { GREENHOUSE, Server } from './helpers/server.js';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await Postgres.start();
}, 60_000);
afterAll(() => postgres.stop());

it('a flush that fails takes nothing from the one beside it, of other sensors, and finds a month that was removed', async () => {
  const url = await postgres.database();
  const server = await Server.start({ DATABASE_URL: url });
  await server.post('/v1/systems', GREENHOUSE);
  await server.stop();
  const INT8: number = pg.types.builtins.INT8;
  const types = {
    getTypeParser: (oid: number) => (oid === INT8 ? Number : pg.types.getTypeParser(oid)),
  };
  const pool = new pg.Pool({ connectionString: url, statement_timeout: 1_500, types });
  pool.on('error', () => undefined);
  const store = new PostgresStore(pool);
  const common = {
    systemId: 'greenhouse',
    timeZone: 'UTC',
    rules: {},
    base: null,
    rawUnit: null,
    curves: [],
    calibrating: [],
  };
  const ph: SensorFacts = { ...common, number: 1, quantity: 'ph', thermometer: null };
  // Whoever compensates looks for temperatures between the locks and the judging.
  const other: SensorFacts = { ...common, number: 2, quantity: 'ph', thermometer: 3 };
  const flush = (facts: SensorFacts, at: number, raw: number): Promise<Commit> => {
    const batch: Batch = {
      sensors: Int32Array.of(facts.number),
      times: Float64Array.of(at),
      raws: Float64Array.of(raw),
    };
    return store.flush(batch, new Map([[facts.number, facts]]));
  };
  const start = Date.UTC(2026, 0, 15);
  for (let minute = 0; minute < 4; minute++) {
    for (const facts of [ph, other])
      expect((await flush(facts, start + minute * 60_000, 7)).reasons[0]).toBe(0);
  }
  const blocker = new pg.Client({ connectionString: url });
  await blocker.connect();
  await blocker.query('begin; lock table readings in access exclusive mode');
  const failing = flush(ph, start + 240_000, 7).then(
    () => 'stored',
    (error: Error) => error.message,
  );
  await pause(1_000);
  const beside = flush(other, start + 240_000, 0.2);
  expect(await failing).toMatch(/statement timeout/);
  await blocker.query('rollback');
  // So far in a minute: only who knows what was before sees it.
  expect(Array.from((await beside).qualities)).toEqual([1]);
  expect(Array.from((await flush(ph, start + 240_000, 0.2)).qualities)).toEqual([1]);
  await blocker.query('drop table readings_2026_01');
  await expect(flush(ph, start + 360_000, 7)).rejects.toThrow(/no partition/);
  expect(Array.from((await flush(ph, start + 360_000, 7)).outcomes)).toEqual([0]);
  await blocker.end();
  await pool.end();
}, 60_000);
