import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const TOOLS = join(import.meta.dirname, '../../tools');

export interface ToolRun {
  child: ChildProcess;
  /** What it ended with, and all that it said. */
  ended: Promise<{ code: number | null; said: string }>;
}

/** Starts one of the project's command-line tools. */
export function startTool(name: string, args: string[], env: Record<string, string> = {}): ToolRun {
  const child = spawn(process.execPath, [join(TOOLS, `${name}.ts`), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, said }));
  return { child, ended };
}

export const runTool = (name: string, args: string[], env?: Record<string, string>) =>
  startTool(name, args, env).ended;
