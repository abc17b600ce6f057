import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import sharp, { type SharpOptions } from 'sharp';

import { Pool } from '../dist/brain/pool.js';
import { readConfig } from '../dist/platform/config.js';
import { applyLoad, type Load, type LoadResult } from './load.ts';
import {
  ADMIN_KEY,
  end,
  memoryOfTreeMb,
  PYTHON,
  ROOT,
  serveOurs,
  serveUvicorn,
  timeProcess,
} from './processes.ts';
import { type Figure, median, rounded } from './report.ts';

const INPUTS = {
  'water-temperature': 24.5,
  'dissolved-oxygen': 4.2,
  ph: 6.8,
  'un-ionised-ammonia': 0.03,
  'water-level': 97,
};
const REQUEST = JSON.stringify({ inputs: INPUTS });
const JSON_TYPE = { 'content-type': 'application/json' };

const ROUNDS = 5;
const PYTHON_DIR = join(ROOT, 'python');

/** What the service costs over what it computes, and what it saves over the usual ways to ask a script. */
export async function benchBrain(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-bench-'));
  const ours = await serveOurs(folder);
  const uvicorn = await serveUvicorn();
  try {
    // Idle first: the figures below leave heaps that have grown.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const idle = memoryOfTreeMb(ours.child.pid!);
    return [
      ...(await fuzzyFigures(ours.url, uvicorn.url)),
      ...(await poolFigures()),
      ...(await visionFigures(ours.url, folder)),
      figure('idle_memory_mb', idle.rss, 'Node and its workers when idle, resident sizes added up', {
        atMost: 400,
      }),
      figure('idle_memory_shared_once_mb', idle.pss, 'the same, what they share counted once (PSS)'),
    ];
  } finally {
    await Promise.all([end(ours), end(uvicorn)]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const figure = (key: string, value: number, meaning: string, target?: Figure['target']): Figure => ({
  key,
  value: rounded(value),
  meaning,
  target,
});

async function fuzzyFigures(oursUrl: string, uvicornUrl: string): Promise<Figure[]> {
  const authorized = { ...JSON_TYPE, authorization: `Bearer ${ADMIN_KEY}` };
  const ours: Load = { url: oursUrl, path: '/v1/control/evaluations', headers: authorized, body: REQUEST };
  const uvicorn: Load = { url: uvicornUrl, path: '/evaluate', headers: JSON_TYPE, body: REQUEST };
  const sides = { ours, uvicorn };
  for (const load of Object.values(sides)) await applyLoad(load, 16, 5_000);

  // In turns, so that a noisy minute of the machine meets both.
  const results: Record<string, LoadResult[]> = { ours1: [], ours16: [], uvicorn1: [], uvicorn16: [] };
  const scripts: { ours: number[]; scikit: number[] } = { ours: [], scikit: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, load] of Object.entries(sides)) {
      results[`${side}1`]!.push(await applyLoad(load, 1, 1_500));
      results[`${side}16`]!.push(await applyLoad(load, 16, 5_000));
    }
    for (let run = 0; run < 3; run++) {
      scripts.ours.push(await timeProcess(['-m', 'aquaponia.fuzzy_controller'], REQUEST, PYTHON_DIR));
      scripts.scikit.push(await timeProcess([join(ROOT, 'bench/fuzzy_scikit.py')], REQUEST, ROOT));
    }
  }
  const of = (side: string, what: keyof LoadResult): number =>
    median(results[side]!.map((result) => result[what]));
  const p50 = of('ours1', 'p50Ms');
  return [
    figure('fuzzy_http_1_connection_p50_ms', p50, 'a fuzzy evaluation over HTTP'),
    figure('fuzzy_http_1_connection_p99_ms', of('ours1', 'p99Ms'), ''),
    figure('fuzzy_http_1_connection_per_s', of('ours1', 'requestsPerSecond'), ''),
    figure('fuzzy_http_16_connections_p50_ms', of('ours16', 'p50Ms'), 'the same at 16 connections'),
    figure('fuzzy_http_16_connections_p99_ms', of('ours16', 'p99Ms'), ''),
    figure('fuzzy_http_16_connections_per_s', of('ours16', 'requestsPerSecond'), ''),
    figure(
      'uvicorn_1_connection_p50_ms',
      of('uvicorn1', 'p50Ms'),
      'the same computation in FastAPI on uvicorn',
    ),
    figure('uvicorn_1_connection_p99_ms', of('uvicorn1', 'p99Ms'), ''),
    figure('uvicorn_16_connections_p50_ms', of('uvicorn16', 'p50Ms'), ''),
    figure('uvicorn_16_connections_p99_ms', of('uvicorn16', 'p99Ms'), ''),
    figure('uvicorn_16_connections_per_s', of('uvicorn16', 'requestsPerSecond'), ''),
    figure('our_script_started_p50_ms', median(scripts.ours), 'our script started for each request'),
    figure(
      'scikit_fuzzy_script_started_p50_ms',
      median(scripts.scikit),
      'the usual way: scikit-fuzzy started for each',
    ),
    figure('times_faster_than_scikit_fuzzy_script', median(scripts.scikit) / p50, 'at p50', { atLeast: 500 }),
    figure('times_faster_than_starting_our_script', median(scripts.ours) / p50, 'at p50', { atLeast: 100 }),
    figure('uvicorn_p50_over_ours_1_connection', of('uvicorn1', 'p50Ms') / p50, 'no worse than uvicorn', {
      atLeast: 1,
    }),
    figure(
      'our_rate_over_uvicorn_16_connections',
      of('ours16', 'requestsPerSecond') / of('uvicorn16', 'requestsPerSecond'),
      'no worse than uvicorn',
      { atLeast: 1 },
    ),
  ];
}

/** The pool alone, without HTTP: the round trip less what the script says it computed. */
async function poolFigures(): Promise<Figure[]> {
  const command = { script: 'fuzzy_controller', python: PYTHON, scriptsDir: PYTHON_DIR };
  const pool = new Pool(command, readConfig({}).pools.fuzzy_controller!, pino({ level: 'silent' }));
  const overheads: number[] = [];
  for (let request = 0; request < 4_000; request++) {
    const started = performance.now();
    const { computeMs } = await pool.ask({ inputs: INPUTS });
    if (request >= 1_000) overheads.push(performance.now() - started - computeMs);
  }
  await pool.close();
  return [figure('pool_overhead_p50_ms', median(overheads), 'round trip less computation', { atMost: 0.3 })];
}

async function visionFigures(oursUrl: string, folder: string): Promise<Figure[]> {
  const photo = await twelveMegapixels();
  const file = join(folder, 'photo.jpg');
  writeFileSync(file, photo);
  const load: Load = {
    url: oursUrl,
    path: '/v1/analyses',
    headers: { 'content-type': 'image/jpeg', authorization: `Bearer ${ADMIN_KEY}` },
    body: photo,
  };
  await applyLoad(load, 1, 5);
  const overlayPath = join(folder, 'overlay.jpg');
  const request = JSON.stringify({ path: file, overlay: true, overlayPath });
  const [warm, started]: [number[], number[]] = [[], []];
  for (let round = 0; round < 15; round++) {
    warm.push((await applyLoad(load, 1, 3)).p50Ms);
    started.push(await timeProcess(['-m', 'aquaponia.vision'], request, PYTHON_DIR));
  }
  return [
    figure('vision_http_12_megapixels_p50_ms', median(warm), 'a photo analysed over HTTP, overlay stored'),
    figure('vision_script_started_p50_ms', median(started), 'our script started for it, overlay written'),
    figure('times_faster_than_starting_vision', median(started) / median(warm), 'at p50', { atLeast: 4 }),
  ];
}

/** Green discs on soil with a sensor's noise, so that the file is as large as a camera's. */
async function twelveMegapixels(): Promise<Buffer> {
  const [width, height] = [4000, 3000];
  const discs = Array.from({ length: 40 }, (_, disc) => {
    const [x, y] = [250 + (disc % 8) * 500, 300 + Math.floor(disc / 8) * 600];
    return `<circle cx="${x}" cy="${y}" r="${120 + (disc % 5) * 25}" fill="rgb(${60 + disc},${140 + disc},50)"/>`;
  });
  const plants = Buffer.from(`<svg width="${width}" height="${height}">${discs.join('')}</svg>`);
  const noise = {
    create: {
      width,
      height,
      channels: 3,
      background: '#6b4f3a',
      noise: { type: 'gaussian', mean: 128, sigma: 12 },
    },
  };
  const grain = await sharp(noise as SharpOptions)
    .jpeg()
    .toBuffer();
  return sharp({ create: { width, height, channels: 3, background: '#6b4f3a' } })
    .composite([{ input: plants }, { input: grain, blend: 'soft-light' }])
    .jpeg({ quality: 90 })
    .toBuffer();
}
