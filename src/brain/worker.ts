import { execa } from 'execa';
import type { Logger } from 'pino';

import { encodeRequest, GarbageError, PROTOCOL, WireDecoder, type WorkerMessage } from './wire.js';

/** Why a worker ended. The first four are our decision; the others are its faults. */
export type EndReason = 'shutdown' | 'worn' | 'old' | 'timeout' | 'crashed' | 'garbage' | 'start-failed';

export interface WorkerCommand {
  /** The script's name, as the handshake must repeat it. */
  script: string;
  python: string;
  scriptsDir: string;
}

interface WorkerEvents {
  /** It has started and takes requests. */
  ready: () => void;
  reply: (message: Exclude<WorkerMessage, { ready: string }>, payload: Buffer) => void;
  ended: (reason: EndReason, detail: string) => void;
}

/** numpy alone can take a second on a cold disk of a small board. */
const START_DEADLINE_MS = 30_000;
const POLITE_END_MS = 1_000;
const LOGGED_STDERR_BYTES = 2_000;

const spawnWorker = ({ script, python, scriptsDir }: WorkerCommand) =>
  execa(python, ['-m', `aquaponia.${script}`, '--worker'], {
    cwd: scriptsDir,
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1' },
    // Its secrets are ours, not the script's.
    extendEnv: false,
    buffer: false,
    encoding: 'buffer',
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    reject: false,
  });

/** One Python process: one request at a time, until it ends, once, for one reason. */
export class Worker {
  readonly startedAt = performance.now();
  served = 0;
  isReady = false;

  private readonly child: ReturnType<typeof spawnWorker>;
  private readonly startTimer: NodeJS.Timeout;
  private hasEnded = false;
  private pendingId: number | undefined;

  constructor(
    private readonly command: WorkerCommand,
    private readonly events: WorkerEvents,
    private readonly logger: Logger,
  ) {
    const decoder = new WireDecoder((message, payload) => this.receive(message, payload));
    this.child = spawnWorker(command);
    this.child.stdout.on('data', (chunk: Buffer) => {
      if (this.hasEnded) return;
      try {
        decoder.push(chunk);
      } catch (error) {
        this.end('garbage', (error as Error).message);
      }
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      logger.warn(
        { script: command.script, stderr: chunk.toString('utf8', 0, LOGGED_STDERR_BYTES) },
        'script says',
      );
    });
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) {
      // A broken pipe is told by the exit that follows it.
      stream.on('error', () => undefined);
    }
    this.startTimer = setTimeout(
      () => this.end('start-failed', 'it did not get ready in time'),
      START_DEADLINE_MS,
    );
    void this.child.then((result) =>
      this.end(
        this.isReady ? 'crashed' : 'start-failed',
        result.cause instanceof Error
          ? result.cause.message
          : `exit code ${result.exitCode ?? result.signal}`,
      ),
    );
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get isBusy(): boolean {
    return this.pendingId !== undefined;
  }

  send(id: number, request: unknown, payload: Buffer | undefined): void {
    this.pendingId = id;
    this.child.stdin.write(encodeRequest(id, request, payload));
  }

  /** Ends the process at once; `ended` is told before this returns. */
  end(reason: EndReason, detail: string): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.startTimer);
    if (!this.isBusy && (reason === 'worn' || reason === 'old' || reason === 'shutdown')) this.endPolitely();
    else this.child.kill('SIGKILL');
    this.events.ended(reason, detail);
  }

  /** Resolves when the process is gone. */
  async gone(): Promise<void> {
    await this.child;
  }

  private endPolitely(): void {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), POLITE_END_MS);
    void this.child.finally(() => clearTimeout(timer));
  }

  private receive(message: WorkerMessage, payload: Buffer): void {
    if (this.hasEnded) return;
    if (!this.isReady) {
      if (!('ready' in message) || message.ready !== this.command.script || message.protocol !== PROTOCOL) {
        throw new GarbageError('the handshake is not that of this script');
      }
      clearTimeout(this.startTimer);
      this.isReady = true;
      this.logger.debug({ script: this.command.script, pid: this.pid }, 'worker ready');
      this.events.ready();
      return;
    }
    if ('ready' in message || message.id !== this.pendingId)
      throw new GarbageError('a reply to no request of ours');
    this.pendingId = undefined;
    this.served += 1;
    this.events.reply(message, payload);
  }
}
