import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../dist/main.js');

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts the service where it cannot start, and waits for its end. */
export async function runInVain(env: Record<string, string>): Promise<Run> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, PORT: '0', MQTT_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Should it start after all, it ends by this, and the test sees no exit code.
    timeout: 15_000,
  });
  const run: Run = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (run.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (run.stderr += chunk.toString()));
  await once(child, 'close');
  run.code = child.exitCode;
  return run;
}
