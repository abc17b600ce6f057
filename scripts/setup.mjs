/**
 * Brings a fresh clone to where it can run: packages with the Node runtime among them, the Python virtual environment,
 * the build. What is there already is not done again. This file may use only what Node 20 has.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const NODE = join(ROOT, 'node_modules/.bin/node');
export const PYTHON = join(ROOT, '.venv/bin/python');

const LEAST_NODE = [20, 19];
const LEAST_PYTHON = [3, 11];
const PYTHON_NAMES = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python'];
const GIGABYTE = 1e9;
const NEEDED_BYTES = 2 * GIGABYTE;

const STAMPS = {
  packages: join(ROOT, 'node_modules/.aquaponia'),
  python: join(ROOT, '.venv/.aquaponia'),
  build: join(ROOT, 'dist/.aquaponia'),
};

const LOCK = join(ROOT, '.setup.lock');

/** Something that the person at the terminal can mend: one plain sentence with the remedy. */
export class Obstacle extends Error {}

const say = (text) => process.stderr.write(`${text}\n`);

function digest(...files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(ROOT, file)))
      .update('\0');
  return hash.digest('hex');
}

function filesBelow(folder) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length))
    .sort();
}

const isDone = (stamp, state) => existsSync(stamp) && readFileSync(stamp, 'utf8') === state;

function markDone(stamp, state) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, state);
}

function run(what, command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  });
  if (result.status === 0) return result.stdout;
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`;
  if (/ENOSPC|No space left/i.test(output)) throw diskFull();
  say(output.trim().split('\n').slice(-30).join('\n'));
  throw new Obstacle(`${what} failed; what it said stands above. Mend that, and run the same command again.`);
}

const diskFull = () =>
  new Obstacle(`The disk is full: set-up needs about ${NEEDED_BYTES / GIGABYTE} GB free below ${ROOT}.`);

const notWritable = () =>
  new Obstacle(`Nothing can be written to ${ROOT}: make it writable to you, and run the same command again.`);

function checkDisk() {
  const { bavail, bsize } = statfsSync(ROOT);
  if (bavail * bsize < NEEDED_BYTES) throw diskFull();
}

function isAtLeast(version, least) {
  const parts = version.split('.').map(Number);
  const difference = least.map((part, index) => parts[index] - part).find((delta) => delta !== 0) ?? 0;
  return difference >= 0;
}

function checkNode() {
  if (isAtLeast(process.versions.node, LEAST_NODE)) return;
  throw new Obstacle(
    `Node ${process.versions.node} is too old: install Node ${LEAST_NODE.join('.')} or newer, and run the same command again.`,
  );
}

function installPackages() {
  const state = digest('package.json', 'package-lock.json', '.npmrc');
  if (isDone(STAMPS.packages, state)) return;
  checkDisk();
  say('Installing packages (once, about a minute) …');
  run('Installing the packages', 'npm', ['ci', '--no-audit', '--no-fund', '--include=dev'], {
    stdio: 'pipe',
  });
  if (!existsSync(NODE)) {
    throw new Obstacle(
      'The Node runtime was not installed, because npm was told to run no install scripts: set ignore-scripts=false, and run the same command again.',
    );
  }
  markDone(STAMPS.packages, state);
}

function findPython() {
  const found = [];
  for (const name of PYTHON_NAMES) {
    const { status, stdout } = spawnSync(name, ['-c', 'import platform; print(platform.python_version())'], {
      encoding: 'utf8',
    });
    if (status !== 0) continue;
    const version = stdout.trim();
    found.push(version);
    if (isAtLeast(version, LEAST_PYTHON)) return { name, version };
  }
  const least = LEAST_PYTHON.join('.');
  throw new Obstacle(
    found.length > 0
      ? `Python ${found[0]} is too old: install Python ${least} or newer, and run the same command again.`
      : `Python is missing: install Python ${least} or newer (on Debian: apt install python3 python3-venv).`,
  );
}

/** What is there for development serves the runtime too, and stays for development when the lock changes. */
function installPython(wanted) {
  const isForDevelopment =
    existsSync(STAMPS.python) && readFileSync(STAMPS.python, 'utf8').startsWith('development');
  const kind = isForDevelopment ? 'development' : wanted;
  const lock = { runtime: 'python/requirements.txt', development: 'python/requirements-dev.txt' };
  const stateOf = (which) => `${which} ${digest(lock[which])}`;
  if (isDone(STAMPS.python, stateOf(kind)) && existsSync(PYTHON)) return;
  checkDisk();
  const { name } = findPython();
  if (spawnSync(name, ['-c', 'import venv, ensurepip']).status !== 0) {
    throw new Obstacle(
      'Python lacks its venv module: install it (on Debian: apt install python3-venv), and run the same command again.',
    );
  }
  say(`Installing the Python side for ${kind} (once, under a minute) …`);
  if (spawnSync(PYTHON, ['-c', '']).status !== 0) {
    rmSync(join(ROOT, '.venv'), { recursive: true, force: true });
    run('Making the Python virtual environment', name, ['-m', 'venv', '.venv']);
  }
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--require-hashes',
    '-r',
    lock[kind],
  ];
  run('Installing the Python packages', PYTHON, pip);
  markDone(STAMPS.python, stateOf(kind));
}

function build() {
  const state = digest(
    ...filesBelow('src'),
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'nest-cli.json',
  );
  if (isDone(STAMPS.build, state)) return;
  say('Building …');
  run('The build', NODE, ['node_modules/@nestjs/cli/bin/nest.js', 'build']);
  markDone(STAMPS.build, state);
}

/** @param {'packages' | 'runtime' | 'development'} kind */
export function setUp(kind) {
  checkNode();
  takeTurns(() => {
    installPackages();
    if (kind === 'packages') return;
    installPython(kind);
    build();
  });
}

/** Two commands started at once on a fresh clone would install over each other: the second waits for the first. */
function takeTurns(action) {
  for (let hasSaid = false; !takeLock(); hasSaid = true) {
    if (!hasSaid) say('Waiting for another set-up of this folder to end …');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  }
  try {
    action();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function takeLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'ENOSPC') {
      // The file was made, and says of nobody whose it is: the next set-up would wait for ever.
      rmSync(LOCK, { force: true });
      throw diskFull();
    }
    if (['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw notWritable();
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(LOCK, 'utf8')), 0);
  } catch (error) {
    // Its holder is gone, or the file just went.
    if (error.code === 'ESRCH' || error.code === 'ENOENT') rmSync(LOCK, { force: true });
  }
  return false;
}

/** Ends the process with one sentence where something is in the way. */
export function orExplain(action) {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Obstacle)) throw error;
    say(error.message);
    process.exit(1);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  orExplain(() => setUp(process.argv[2] ?? 'runtime'));
}
