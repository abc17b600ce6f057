import { readdirSync, readFileSync } from 'node:fs';

interface ProcessFacts {
  pid: number;
  parent: number;
  /** Z: it has ended, and nobody has asked how. */
  state: string;
}

function factsOf(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before it stands in brackets, and may hold anything.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, parent: Number(parent), state: state! };
  } catch {
    return undefined;
  }
}

export const isRunning = (pid: number): boolean => !['Z', 'X', undefined].includes(factsOf(pid)?.state);

export const childrenOf = (parent: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => factsOf(Number(name)))
    .filter((facts) => facts?.parent === parent && facts.state !== 'Z')
    .map((facts) => facts!.pid);

/** The worker processes that a server has started, of one script or of all. */
export const workersOf = (serverPid: number, script = ''): number[] =>
  childrenOf(serverPid).filter((pid) => commandOf(pid).includes(`aquaponia.${script}`));

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
