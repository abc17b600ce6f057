/**
 * Builds the image, runs it as locked up as it should run anywhere, calls a route of each kind in it, and ends with
 * counts. Needs a Docker engine, and what `npm test` has installed. What it makes it removes, the builder's cache apart.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';

import { ROOT } from './setup.mjs';

const NAME = `aquaponia-test-${process.pid}`;
const IMAGE = `${NAME}:latest`;
const BASE = /^FROM (\S+)/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))[1];
const ADMIN_KEY = randomBytes(24).toString('hex');
const MEGABYTE = 1e6;
const MOST_ADDED_BYTES = 450 * MEGABYTE;
const BUILD_MS = 30 * 60_000;
const COMMAND_MS = 60_000;
const REQUEST_MS = 30_000;
const READY_MS = 60_000;
const HEALTHY_MS = 90_000;
const LONGEST_STOP_SECONDS = 8;

const run = (args, options) =>
  spawnSync('docker', args, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: COMMAND_MS,
    env: { ...process.env, AQUAPONIA_ADMIN_KEY: ADMIN_KEY },
    maxBuffer: 64 * MEGABYTE,
    ...options,
  });

function docker(...args) {
  const { status, stdout, stderr, error } = run(args);
  if (status !== 0) throw new Error(`docker ${args[0]}: ${error?.message ?? stderr.trim()}`);
  return stdout.trim();
}

const inside = (script) => docker('exec', NAME, 'sh', '-c', script);

let passed = 0;
let failed = 0;

async function check(what, action) {
  try {
    const remark = await action();
    passed += 1;
    console.log(`ok   ${what}${remark ? `: ${remark}` : ''}`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${what}: ${error.message}`);
    return false;
  }
}

async function until(what, milliseconds, probe) {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    const found = await probe();
    if (found) return found;
    await sleep(200);
  }
  throw new Error(`waited in vain for ${milliseconds / 1000} s until ${what}`);
}

/** The engine gives another port at each start. */
const address = () => `http://${docker('port', NAME, '3000/tcp').split('\n')[0]}`;

async function call(method, path, body, type = 'application/json') {
  const answer = await globalThis.fetch(address() + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN_KEY}`, ...(body && { 'content-type': type }) },
    body: body && type === 'application/json' ? JSON.stringify(body) : body,
    signal: globalThis.AbortSignal.timeout(REQUEST_MS),
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const text = new globalThis.TextDecoder().decode(bytes);
  assert.ok(answer.ok, `${method} ${path} answered ${answer.status}: ${text.slice(0, 500)}`);
  const isJson = answer.headers.get('content-type')?.includes('json');
  return { bytes, text, body: isJson ? JSON.parse(text) : undefined };
}

const get = (path) => call('GET', path);
const post = (path, body, type) => call('POST', path, body, type);

const untilReady = () =>
  until('it is ready', READY_MS, async () => {
    const state = docker('inspect', '--format', '{{.State.Status}}', NAME);
    assert.equal(state, 'running', 'it ended by itself');
    return get('/health/ready').catch(() => undefined);
  });

/** Six green plants on brown ground. */
function photo() {
  const plants = [80, 240, 400].flatMap((x) => [80, 240].map((y) => `<circle cx="${x}" cy="${y}" r="60"/>`));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="320">
    <rect width="480" height="320" fill="#6b4a2f"/><g fill="#3c9a35">${plants.join('')}</g></svg>`;
  return sharp(new globalThis.TextEncoder().encode(svg)).jpeg({ quality: 92 }).toBuffer();
}

function build() {
  const { status, stdout, stderr, error } = run(['build', '--force-rm', '--tag', IMAGE, '.'], {
    timeout: BUILD_MS,
  });
  const lastLines = `${stdout}${stderr}`.trim().split('\n').slice(-30).join('\n');
  assert.equal(status, 0, `${error?.message ?? ''}\n${lastLines}`);
}

function checkSize() {
  const sizeOf = (image) => Number(docker('image', 'inspect', '--format', '{{.Size}}', image));
  // Some builders keep the base to themselves.
  if (run(['image', 'inspect', BASE]).status !== 0) docker('pull', '--quiet', BASE);
  const added = sizeOf(IMAGE) - sizeOf(BASE);
  const remark = `${Math.round(added / MEGABYTE)} MB on top of ${BASE}`;
  assert.ok(added < MOST_ADDED_BYTES, `${remark}, ${MOST_ADDED_BYTES / MEGABYTE} MB are allowed`);
  return remark;
}

async function start() {
  const locks = [
    '--read-only',
    '--tmpfs',
    '/tmp',
    '--cap-drop',
    'ALL',
    '--security-opt',
    'no-new-privileges',
  ];
  const options = [
    '--volume',
    `${NAME}:/data`,
    '--publish',
    '127.0.0.1::3000',
    '--env',
    'AQUAPONIA_ADMIN_KEY',
  ];
  const began = performance.now();
  docker('run', '--detach', '--name', NAME, ...locks, ...options, IMAGE);
  await untilReady();
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

async function checkRoutes() {
  await check('a system is made from a template', async () => {
    const system = {
      id: 'greenhouse',
      name: 'Greenhouse',
      template: 'raft',
      species: 'nile-tilapia',
      crop: 'lettuce',
    };
    const { body } = await post('/v1/systems', system);
    assert.ok(body.sensors.length > 0);
  });
  await check('a batch of readings is stored', async () => {
    const values = { 'water-temperature': 27.5, ph: 6.8, 'dissolved-oxygen': 3.2 };
    const readings = Object.entries(values).map(([sensor, value]) => ({ sensor, value }));
    const { body } = await post('/v1/systems/greenhouse/readings', { readings });
    assert.equal(body.stored, readings.length);
  });
  await check('the status of the system', async () => {
    const { text } = await get('/v1/systems/greenhouse/status');
    assert.match(text, /27\.5/);
  });
  await check('the fuzzy controller evaluates', async () => {
    const { text } = await post('/v1/control/evaluations', { inputs: { 'dissolved-oxygen': 3 } });
    assert.match(text, /aeration/);
  });
  await check('a decision makes commands', async () => {
    const { body } = await post('/v1/systems/greenhouse/decisions', { issueCommands: true });
    assert.ok(body.commands.length > 0);
    const { body: pending } = await get('/v1/systems/greenhouse/commands');
    assert.equal(pending.commands.length, body.commands.length);
  });
  await check('a photo is analysed and its overlay fetched', async () => {
    const { body } = await post('/v1/systems/greenhouse/analyses', await photo(), 'image/jpeg');
    const { bytes } = await get(body.overlayUrl);
    assert.deepEqual([...bytes.slice(0, 2)], [0xff, 0xd8], 'the overlay is no JPEG');
    const remark = `canopy cover ${body.canopyCover.value} %`;
    assert.ok(body.canopyCover.value > 35 && body.canopyCover.value < 55, `${remark}, 44 % are painted`);
    return remark;
  });
  await check('the perceptron classifies the system', async () => {
    const { body } = await post('/v1/systems/greenhouse/classifications');
    assert.notEqual(body.level, 'normal');
    assert.ok(body.notification);
  });
  await check('a key is made', async () => {
    await post('/v1/keys', { id: 'probe', role: 'device', systemId: 'greenhouse' });
  });
  await check('/docs and its script', async () => {
    assert.match((await get('/docs')).text, /swagger-ui/);
    assert.match((await get('/docs/swagger-ui-bundle.js')).text, /SwaggerUIBundle/);
  });
  await check('/openapi.json', async () => {
    assert.ok((await get('/openapi.json')).body.paths['/v1/systems']);
  });
  await check('/metrics', async () => {
    assert.match((await get('/metrics')).text, /^aquaponia_/m);
  });
}

async function checkLocks() {
  await check('it does not run as root', () => {
    assert.equal(inside('id -u'), '1000');
    assert.match(inside('cat /proc/1/status'), /^Uid:\s+1000\s/m);
  });
  await check('its root file system is read-only', () => {
    assert.equal(inside('touch /app/x 2>/dev/null || touch /x 2>/dev/null || echo refused'), 'refused');
  });
  await check('no build tools, no development packages', () => {
    const tools = ['gcc', 'cc', 'make', 'pip', 'pip3', 'git'].map((tool) => `command -v ${tool}`);
    const packages = ['typescript', 'jest', '@nestjs/cli'].map((name) => `ls -d /app/node_modules/${name}`);
    const modules = ['pip', 'setuptools', 'pytest'].map(
      (name) => `.venv/bin/python -c "import ${name}" && echo ${name}`,
    );
    assert.equal(inside(`(${[...tools, ...packages, ...modules].join('; ')}; true) 2>/dev/null`), '');
  });
  await check('a worker that is killed is replaced, and nothing stays defunct', async () => {
    const kill =
      'for p in /proc/[0-9]*; do grep -qs "aquaponia.visio[n]" $p/cmdline && kill -9 ${p#/proc/}; done';
    // An orphan as well, which only the first process can reap.
    inside(`sleep 0.1 & ${kill}; true`);
    const crashes = async () => (await get('/health/ready')).body.parts.vision.ended.crashed;
    await until('the crash is told', READY_MS, () => crashes().catch(() => 0));
    await untilReady();
    await post('/v1/analyses', await photo(), 'image/jpeg');
    await sleep(200);
    assert.equal(inside('grep -ls "^State:.Z" /proc/[0-9]*/status || true'), '');
  });
  await check('the engine calls it healthy', async () => {
    const health = () => docker('inspect', '--format', '{{.State.Health.Status}}', NAME);
    await until('it is healthy', HEALTHY_MS, () => health() === 'healthy');
  });
}

async function checkLife() {
  await check('data survives a restart', async () => {
    docker('restart', '--time', '20', NAME);
    await untilReady();
    assert.equal((await get('/v1/systems/greenhouse/analyses')).body.analyses.length, 1);
    const { body } = await get('/v1/systems/greenhouse/sensors/water-temperature/readings');
    assert.equal(body.readings[0].value, 27.5);
  });
  await check('it ends by itself when told to', () => {
    const began = performance.now();
    docker('stop', '--time', '20', NAME);
    const seconds = (performance.now() - began) / 1000;
    assert.equal(docker('inspect', '--format', '{{.State.ExitCode}}', NAME), '0', 'its exit code is not 0');
    assert.ok(seconds < LONGEST_STOP_SECONDS, `it took ${seconds.toFixed(1)} s`);
    return `${seconds.toFixed(1)} s`;
  });
}

function clean() {
  run(['rm', '--force', '--volumes', NAME]);
  run(['volume', 'rm', '--force', NAME]);
  run(['image', 'rm', '--force', IMAGE]);
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    clean();
    process.exit(1);
  });
}

try {
  console.log('Building the image (a few minutes the first time) …');
  if (await check('the image is built', build)) {
    await check('its size', checkSize);
    if (await check('it starts and gets ready', start)) {
      await checkRoutes();
      await checkLocks();
      await checkLife();
    }
    if (failed > 0) {
      const { stdout, stderr } = run(['logs', '--tail', '50', NAME]);
      console.log(`\nThe end of its log:\n${stdout}${stderr}`);
    }
  }
} finally {
  clean();
}
console.log(`\ncontainer: ${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
