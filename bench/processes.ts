import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '..');
export const PYTHON = join(ROOT, '.venv/bin/python');
export const ADMIN_KEY = 'an-admin-key-for-benchmarks';

export interface Served {
  url: string;
  /** Of its MQTT broker, where it has one. */
  mqttPort?: number;
  child: ChildProcess;
}

/** Starts a server and waits for the line that tells its port. */
async function serve(
  command: string,
  args: string[],
  env: Record<string, string>,
  port: RegExp,
): Promise<Served> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) {
    output += String(chunk);
    const found = port.exec(output)?.[1];
    if (found) {
      child.stdout.resume();
      const mqttPort = /"mqttPort":(\d+)/.exec(output)?.[1];
      return { url: `http://127.0.0.1:${found}`, child, ...(mqttPort && { mqttPort: Number(mqttPort) }) };
    }
  }
  throw new Error(`${command} ended before it listened: ${output}`);
}

export async function serveOurs(dataDir: string, settings: Record<string, string> = {}): Promise<Served> {
  const env = {
    PORT: '0',
    MQTT_PORT: '0',
    HOST: '127.0.0.1',
    AQUAPONIA_DATA_DIR: dataDir,
    AQUAPONIA_ADMIN_KEY: ADMIN_KEY,
    ...settings,
  };
  // As `npm start` and the image do.
  const args = ['--max-semi-space-size=8', join(ROOT, 'dist/main.js')];
  const served = await serve(process.execPath, args, env, /"port":(\d+)/);
  while (!(await fetch(`${served.url}/health/ready`)).ok) await new Promise((again) => setTimeout(again, 50));
  return served;
}

export const serveUvicorn = (): Promise<Served> =>
  serve(PYTHON, [join(ROOT, 'bench/fuzzy_uvicorn.py'), '--port', '0'], {}, /"port": ?(\d+)/);

export const serveBareBroker = (): Promise<Served> =>
  serve(process.execPath, [join(ROOT, 'bench/ingest/mqtt-bare.ts')], {}, /"port":(\d+)/);

/** A system `farm` with thermometers of these names. */
export async function makeFarm({ url }: Served, sensors: string[]): Promise<void> {
  const post = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  };
  await post('/v1/systems', { id: 'farm', name: 'Farm', species: 'nile-tilapia', crop: 'lettuce' });
  await post('/v1/systems/farm/devices', { id: 'board', name: 'Board' });
  for (const id of sensors) {
    const sensor = { id, deviceId: 'board', quantity: 'water-temperature', place: 'tank' };
    await post('/v1/systems/farm/sensors', sensor);
  }
}

export async function end({ child }: Served): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** How long a process takes that gets one request and gives one answer, in milliseconds. */
export async function timeProcess(args: string[], input: string, cwd: string): Promise<number> {
  const started = performance.now();
  const child = spawn(PYTHON, args, { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  child.stdout.resume();
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`);
  return performance.now() - started;
}

/** Resident memory of a process and all below it, in MB; `Pss` shares what several processes share. Linux only. */
export function memoryOfTreeMb(pid: number): { rss: number; pss: number } {
  const kilobytes = (id: number, what: string): number => {
    const rollup = readFileSync(`/proc/${id}/smaps_rollup`, 'utf8');
    return Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0);
  };
  const tree = [pid];
  for (const id of tree) {
    for (const task of readdirSync(`/proc/${id}/task`)) {
      const children = readFileSync(`/proc/${id}/task/${task}/children`, 'utf8').trim();
      if (children) tree.push(...children.split(' ').map(Number));
    }
  }
  const sum = (what: string): number => tree.reduce((total, id) => total + kilobytes(id, what), 0) / 1024;
  return { rss: sum('Rss'), pss: sum('Pss') };
}
