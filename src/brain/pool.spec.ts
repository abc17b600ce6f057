import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';

import { type PoolConfig, readConfig } from '../platform/config.js';
import type { Problem } from '../platform/http/problem.js';
import { Pool } from './pool.js';

const { python } = readConfig({});
const HELPERS = join(import.meta.dirname, '../../test/helpers');
const REPLIES_LATE = 120;

let scriptsDir: string;
let pool: Pool;
let log: { pid?: number; reason?: string; msg: string }[];

beforeEach(() => {
  scriptsDir = mkdtempSync(join(tmpdir(), 'aquaponia-pool-'));
  cpSync(join(HELPERS, 'flaky'), scriptsDir, { recursive: true });
  log = [];
});
afterEach(async () => {
  await pool.close();
  rmSync(scriptsDir, { recursive: true, force: true });
});

function open(config: Partial<PoolConfig> = {}, command: { python?: string } = {}): void {
  const lines = { write: (line: string) => void log.push(JSON.parse(line) as (typeof log)[number]) };
  pool = new Pool(
    { script: 'fuzzy_controller', python, scriptsDir, ...command },
    {
      workers: 1,
      queueLength: 8,
      deadlineMs: 10_000,
      recycleAfterRequests: 1000,
      recycleAfterMs: 1e9,
      ...config,
    },
    pino({ level: 'debug' }, lines),
  );
}

async function until(probe: () => boolean): Promise<void> {
  while (!probe()) await new Promise((resolve) => setTimeout(resolve, 10));
}

const ask = (waterLevel = 50) => pool.ask({ inputs: { 'water-level': waterLevel } });
const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'answered',
    (problem: Problem) => problem.type.code,
  );

describe('a pool of workers', () => {
  it('takes requests before its workers have started, beyond the length of the queue', async () => {
    open({ workers: 2, queueLength: 0 });
    const asked = [ask(), ask(), ask()].map(codeOf);

    expect(await Promise.all(asked)).toEqual(['answered', 'answered', 'SCRIPT.BUSY']);
  });

  it('gives each request to a worker that is free', async () => {
    open({ workers: 2 });
    await until(() => pool.state().workers.ready === 2);
    const asked = [ask(REPLIES_LATE), ask(REPLIES_LATE), ask()].map(codeOf);

    expect(pool.state()).toMatchObject({ ready: true, workers: { ready: 2, busy: 2, wanted: 2 }, queued: 1 });
    expect(await Promise.all(asked)).toEqual(['answered', 'answered', 'answered']);
  });

  it('refuses what waits when it closes, gives up what runs, and takes nothing more', async () => {
    open();
    await until(() => pool.state().ready);
    const running = codeOf(ask(REPLIES_LATE));
    const waiting = codeOf(ask());
    await pool.close();

    expect([await running, await waiting]).toEqual(['SCRIPT.FAILED', 'SCRIPT.UNAVAILABLE']);
    expect(await codeOf(ask())).toBe('SCRIPT.UNAVAILABLE');
    expect(pool.state()).toMatchObject({
      ready: false,
      workers: { ready: 0, busy: 0 },
      ended: { shutdown: 1 },
    });
  });

  it('closes while its workers start', async () => {
    open();
    await pool.close();

    expect(pool.state().workers).toEqual({ ready: 0, busy: 0, wanted: 1 });
  });

  it('says that it is unavailable where there is no Python', async () => {
    open({}, { python: join(scriptsDir, 'no-python') });

    expect(await codeOf(ask())).toBe('SCRIPT.UNAVAILABLE');
    expect(log).toContainEqual(expect.objectContaining({ reason: 'start-failed', msg: 'worker ended' }));
  });

  it('hands a script its search path and none of our secrets', async () => {
    process.env.AQUAPONIA_ADMIN_KEY = 'a-secret-of-the-service';
    writeFileSync(
      join(scriptsDir, 'aquaponia/fuzzy_controller.py'),
      'import os, json; open("environment", "w").write(json.dumps(dict(os.environ)))',
    );
    open();
    await until(() => (pool.state().ended['start-failed'] ?? 0) > 0);
    delete process.env.AQUAPONIA_ADMIN_KEY;

    const environment = JSON.parse(readFileSync(join(scriptsDir, 'environment'), 'utf8')) as Record<
      string,
      string
    >;
    expect(environment.PATH).toBe(process.env.PATH);
    expect(JSON.stringify(environment)).not.toContain('a-secret-of-the-service');
  });
});
