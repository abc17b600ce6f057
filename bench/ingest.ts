import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Postgres } from '../test/helpers/postgres.ts';
import { benchMqtt } from './ingest/mqtt.ts';
import type { IngestLoad, IngestResult } from './ingest/http-load.ts';
import { ADMIN_KEY, end, makeFarm, type Served, serveOurs } from './processes.ts';
import { type Figure, median, rounded } from './report.ts';

const ROUNDS = 5;
const BARE_ROWS = 400_000;
export const SENSORS = Array.from({ length: 20 }, (_, index) => `sensor-${index}`);
/** What ThingsBoard's own page gives for 4 CPUs: 3,333 devices, a data point each second. */
const THINGSBOARD_PER_SECOND = 3_333;

export interface Target {
  name: string;
  served: Served;
  /** When the next load begins, so that no reading comes twice. */
  startMs: number;
  /** Inserts without us. @returns readings a second */
  bare: () => Promise<number>;
}

export async function benchIngest(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-bench-'));
  const postgres = await Postgres.start();
  const figures: Figure[] = [];
  try {
    const sqlite: Target = {
      name: 'sqlite',
      served: await serveOurs(join(folder, 'ours')),
      startMs: Date.UTC(2020, 0, 1),
      bare: () => bare('sqlite', mkdtempSync(join(folder, 'bare-'))),
    };
    figures.push(...(await benchBatches(sqlite, { atLeast: 0.4 }, { atLeast: 100_000 })));
    figures.push(...(await benchSingles(sqlite)));
    await end(sqlite.served);
    const onPostgres: Target = {
      name: 'postgres',
      served: await serveOurs(join(folder, 'none'), { DATABASE_URL: await postgres.database() }),
      startMs: Date.UTC(2020, 0, 1),
      bare: async () => bare('postgres', await postgres.database()),
    };
    figures.push(...(await benchBatches(onPostgres, { atLeast: 0.5 })));
    await end(onPostgres.served);
    figures.push(...(await benchMqtt()));
  } finally {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return figures;
}

async function benchBatches(
  target: Target,
  ratioTarget: Figure['target'],
  rateTarget?: Figure['target'],
): Promise<Figure[]> {
  await makeFarm(target.served, SENSORS);
  const ours: IngestResult[] = [];
  const bares: number[] = [];
  // In turns: whatever else the machine does meanwhile, it does to both.
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(await load(target, { connections: 8, readings: 1_000, requests: 400 }));
    bares.push(await target.bare());
  }
  const { name } = target;
  const rate = median(ours.map(({ readingsPerSecond }) => readingsPerSecond));
  const figures: Figure[] = [
    {
      key: `${name}_batch_readings_per_s`,
      value: rounded(rate),
      meaning: 'HTTP, 1,000 readings a request, 8 connections, durable',
      ...(rateTarget && { target: rateTarget }),
    },
    {
      key: `${name}_bare_readings_per_s`,
      value: rounded(median(bares)),
      meaning: 'a bare loop of inserts in one process with the store',
    },
    {
      key: `${name}_of_bare`,
      value: rounded(median(ours.map(({ readingsPerSecond }, round) => readingsPerSecond / bares[round]!))),
      meaning: 'ours over HTTP / the bare loop',
      target: ratioTarget!,
    },
  ];
  if (name === 'sqlite') {
    figures.push({
      key: 'of_thingsboard',
      value: rounded(rate / THINGSBOARD_PER_SECOND),
      meaning: 'ours / what ThingsBoard publishes for 4 CPUs (not run here)',
    });
  }
  return figures;
}

async function benchSingles(target: Target): Promise<Figure[]> {
  const rounds: IngestResult[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push(await load(target, { connections: 32, readings: 1, requests: 20_000 }));
  }
  const of = (key: keyof IngestResult): number => rounded(median(rounds.map((round) => round[key])));
  return [
    {
      key: 'single_requests_per_s',
      value: of('readingsPerSecond'),
      meaning: 'HTTP, one reading a request, 32 connections, durable',
      target: { atLeast: 6_000 },
    },
    { key: 'single_p50_ms', value: of('p50Ms'), meaning: 'the same' },
    { key: 'single_p99_ms', value: of('p99Ms'), meaning: 'the same', target: { atMost: 20 } },
  ];
}

/** From a process of its own, so that measuring does not slow down what is measured. */
export async function load(
  target: Pick<Target, 'served' | 'startMs'>,
  how: Pick<IngestLoad, 'connections' | 'readings' | 'requests'>,
): Promise<IngestResult> {
  const { startMs, served } = target;
  target.startMs += Math.ceil((how.readings * how.requests) / SENSORS.length) * 60_000;
  const all: IngestLoad = {
    ...how,
    url: served.url,
    key: ADMIN_KEY,
    system: 'farm',
    sensors: SENSORS,
    startMs,
  };
  return JSON.parse(await run('http-load.ts', JSON.stringify(all))) as IngestResult;
}

async function bare(kind: string, where: string): Promise<number> {
  const { readingsPerSecond } = JSON.parse(await run('bare.ts', kind, where, String(BARE_ROWS))) as {
    readingsPerSecond: number;
  };
  return readingsPerSecond;
}

async function run(script: string, ...args: string[]): Promise<string> {
  const path = join(import.meta.dirname, 'ingest', script);
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
  return output;
}
