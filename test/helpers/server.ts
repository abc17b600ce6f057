import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export const ADMIN_KEY = 'an-admin-key-for-tests';
const ROOT = resolve(import.meta.dirname, '../..');
const START_MS = 20_000;

export interface Answer {
  status: number;
  headers: Headers;
  /** The body as JSON, or as text where it is none. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

/** The built service in a process of its own, as a user runs it, on a free port and an empty data directory. */
export class Server {
  /** What every server of a test file is started with, unless told otherwise. */
  static defaults: () => Promise<Record<string, string>> = () => Promise.resolve({});

  port = 0;
  mqttPort = 0;
  output = '';
  readonly dataDir: string;
  private readonly env: Record<string, string>;
  private readonly leadsGroup: boolean;
  private child: ChildProcess;

  // Fields by hand: tools run this file as it stands, and Node strips types only.
  private constructor(dataDir: string, env: Record<string, string>, leadsGroup: boolean) {
    this.dataDir = dataDir;
    this.env = env;
    this.leadsGroup = leadsGroup;
  }

  /** With `leadsGroup` in a process group of its own, as a shell starts it. */
  static async start(env: Record<string, string> = {}, { leadsGroup = false } = {}): Promise<Server> {
    const all = { ...(await Server.defaults()), ...env };
    const server = new Server(mkdtempSync(join(tmpdir(), 'aquaponia-e2e-')), all, leadsGroup);
    await server.launch();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Starts it, or starts it again, on the same data. Resolves when every part is ready unless told otherwise. */
  async launch({ untilReady = true }: { untilReady?: boolean } = {}): Promise<void> {
    this.output = '';
    this.child = spawn(process.execPath, [join(ROOT, 'dist/main.js')], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        MQTT_PORT: '0',
        AQUAPONIA_DATA_DIR: this.dataDir,
        AQUAPONIA_ADMIN_KEY: ADMIN_KEY,
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: this.leadsGroup,
    });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.port = await this.until(() => Number(/"port":(\d+)/.exec(this.output)?.[1] ?? 0), 'it listens');
    this.mqttPort = Number(/"mqttPort":(\d+)/.exec(this.output)?.[1] ?? 0);
    if (untilReady && this.env.AQUAPONIA_SCRIPTS_DIR === undefined) {
      await this.until(async () => (await this.get('/health/ready')).status === 200, 'it is ready');
    }
  }

  /** Asks again and again until the answer is truthy. */
  async until<T>(probe: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
    const end = Date.now() + START_MS;
    while (Date.now() < end) {
      const found = await probe();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`waited in vain until ${what}; the service said:\n${this.output}`);
  }

  request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    return this.send(path, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : isRaw ? (body as string) : JSON.stringify(body),
    });
  }

  async send(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(this.url + path, init);
    // A stream of events has no end to wait for.
    const isEndless = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (isEndless) await response.body!.cancel();
    const text = isEndless ? '' : await response.text();
    let parsed: unknown = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // It is text.
    }
    return { status: response.status, headers: response.headers, body: parsed };
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.request('GET', path, undefined, headers);
  }

  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    return this.request('POST', path, body, headers);
  }

  /** @returns how it ended. */
  async signal(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await once(this.child, 'exit');
    }
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }

  async stop(): Promise<void> {
    await this.signal('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** A raft system as most tests need it. */
export const GREENHOUSE = {
  id: 'greenhouse',
  name: 'Greenhouse',
  template: 'raft',
  species: 'nile-tilapia',
  crop: 'lettuce',
};
