import type { Logger } from 'pino';

import type { PoolConfig } from '../platform/config.js';
import type { Problem } from '../platform/http/problem.js';
import {
  SCRIPT_BUSY,
  SCRIPT_DEADLINE,
  SCRIPT_FAILED,
  SCRIPT_GARBAGE,
  SCRIPT_REFUSED,
  SCRIPT_UNAVAILABLE,
} from './brain.problems.js';
import { type EndReason, Worker, type WorkerCommand } from './worker.js';
import type { ReplyMessage } from './wire.js';

export interface PoolAnswer {
  reply: unknown;
  payload: Buffer;
  /** Inside the script. */
  computeMs: number;
}

export interface PoolState {
  ready: boolean;
  workers: { ready: number; busy: number; wanted: number };
  queued: number;
  /** Ends of workers since the start, by reason. */
  ended: Partial<Record<EndReason, number>>;
}

interface Task {
  request: unknown;
  payload: Buffer | undefined;
  timer: NodeJS.Timeout;
  worker?: Worker;
  resolve: (answer: PoolAnswer) => void;
  reject: (problem: Problem) => void;
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 30_000;
/** A script may refuse a request by a code of its own; these two say that the script itself is at fault. */
const FAULTS_OF_THE_SCRIPT = ['SCRIPT.FAILED', 'REPLY.NOT_FINITE'];

/**
 * Warm workers of one script. A request waits in a bounded queue, goes to one worker, and is answered or refused
 * before its deadline. A worker that fails is replaced, with growing pauses while its successors fail as well.
 * Nothing is tried twice here: only the caller knows whether that would be right.
 */
export class Pool {
  private readonly workers = new Map<Worker, Task | undefined>();
  private readonly leaving = new Set<Promise<void>>();
  private readonly queue: Task[] = [];
  private readonly ended: PoolState['ended'] = {};
  private nextId = 1;
  /** Faults since the last reply. */
  private faults = 0;
  private restart: NodeJS.Timeout | undefined;
  private isOpen = true;

  constructor(
    private readonly command: WorkerCommand,
    private readonly config: PoolConfig,
    private readonly logger: Logger,
  ) {
    this.fill();
  }

  /** @throws Problem, before the deadline. */
  ask(request: unknown, payload?: Buffer): Promise<PoolAnswer> {
    return new Promise((resolve, reject) => {
      const idle = this.idleWorker();
      if (!idle) {
        if (!this.isOpen || this.cannotStart()) {
          reject(SCRIPT_UNAVAILABLE.happened({ headers: { 'retry-after': '1' } }));
          return;
        }
        if (this.queue.length >= this.config.queueLength + this.startingWorkers()) {
          reject(SCRIPT_BUSY.happened({ headers: { 'retry-after': '1' } }));
          return;
        }
      }
      const task: Task = {
        request,
        payload,
        resolve,
        reject,
        timer: setTimeout(() => this.expire(task), this.config.deadlineMs),
      };
      if (idle) this.give(idle, task);
      else this.queue.push(task);
    });
  }

  state(): PoolState {
    const workers = [...this.workers.keys()];
    const ready = workers.filter((worker) => worker.isReady).length;
    return {
      ready: ready > 0,
      workers: {
        ready,
        busy: workers.filter((worker) => worker.isBusy).length,
        wanted: this.config.workers,
      },
      queued: this.queue.length,
      ended: { ...this.ended },
    };
  }

  /** What waits is refused, what runs is given up, and every process is gone when this resolves. */
  async close(): Promise<void> {
    this.isOpen = false;
    clearTimeout(this.restart);
    this.refuseQueue();
    for (const worker of [...this.workers.keys()]) worker.end('shutdown', 'the service stops');
    await Promise.all(this.leaving);
  }

  private idleWorker(): Worker | undefined {
    for (const worker of this.workers.keys()) if (worker.isReady && !worker.isBusy) return worker;
    return undefined;
  }

  /** Requests that arrive while workers start are not in excess: each of these will take one. */
  private startingWorkers(): number {
    return [...this.workers.keys()].filter((worker) => !worker.isReady).length;
  }

  /** Between two failed starts, waiting would only use up the deadline. */
  private cannotStart(): boolean {
    return this.workers.size === 0 && this.restart !== undefined;
  }

  private fill(): void {
    while (this.isOpen && this.workers.size < this.config.workers) {
      const worker: Worker = new Worker(
        this.command,
        {
          ready: () => this.next(worker),
          reply: (message, payload) => this.answered(worker, message, payload),
          ended: (reason, detail) => this.lost(worker, reason, detail),
        },
        this.logger,
      );
      this.workers.set(worker, undefined);
    }
  }

  private give(worker: Worker, task: Task): void {
    task.worker = worker;
    this.workers.set(worker, task);
    worker.send(this.nextId++, task.request, task.payload);
  }

  private next(worker: Worker): void {
    const task = this.queue.shift();
    if (task) this.give(worker, task);
  }

  private answered(worker: Worker, message: ReplyMessage, payload: Buffer): void {
    const task = this.workers.get(worker);
    this.workers.set(worker, undefined);
    this.faults = 0;
    if (task) {
      clearTimeout(task.timer);
      if (message.error) task.reject(refusal(message.error));
      else task.resolve({ reply: message.reply, payload, computeMs: message.computeMs ?? 0 });
    }
    if (worker.served >= this.config.recycleAfterRequests) {
      worker.end('worn', `${worker.served} requests served`);
    } else if (performance.now() - worker.startedAt >= this.config.recycleAfterMs) {
      worker.end('old', 'its time has come');
    } else {
      this.next(worker);
    }
  }

  private expire(task: Task): void {
    task.reject(SCRIPT_DEADLINE.happened(`No reply within ${this.config.deadlineMs} ms`));
    // Python cannot be cancelled: the process goes, and with it whatever held it up.
    if (task.worker) task.worker.end('timeout', `no reply within ${this.config.deadlineMs} ms`);
    else this.queue.splice(this.queue.indexOf(task), 1);
  }

  private lost(worker: Worker, reason: EndReason, detail: string): void {
    const task = this.workers.get(worker);
    this.workers.delete(worker);
    const leaving = worker.gone().finally(() => this.leaving.delete(leaving));
    this.leaving.add(leaving);
    this.ended[reason] = (this.ended[reason] ?? 0) + 1;
    const isFault = reason === 'crashed' || reason === 'garbage' || reason === 'start-failed';
    this.logger[isFault || reason === 'timeout' ? 'warn' : 'info'](
      { script: this.command.script, pid: worker.pid, reason, detail },
      'worker ended',
    );
    if (task) {
      clearTimeout(task.timer);
      task.reject((reason === 'garbage' ? SCRIPT_GARBAGE : SCRIPT_FAILED).happened(detail));
    }
    if (!isFault) {
      this.fill();
      return;
    }
    this.faults += 1;
    this.scheduleRestart();
    if (this.cannotStart()) this.refuseQueue();
  }

  /** The first fault is mended at once; those that follow without a reply between them wait twice as long each. */
  private scheduleRestart(): void {
    if (!this.isOpen || this.restart) return;
    if (this.faults === 1) {
      this.fill();
      return;
    }
    const pause = Math.min(FIRST_BACKOFF_MS * 2 ** (this.faults - 2), LONGEST_BACKOFF_MS);
    this.restart = setTimeout(() => {
      this.restart = undefined;
      this.fill();
    }, pause);
  }

  private refuseQueue(): void {
    for (const task of this.queue.splice(0)) {
      clearTimeout(task.timer);
      task.reject(SCRIPT_UNAVAILABLE.happened({ headers: { 'retry-after': '1' } }));
    }
  }
}

function refusal(error: NonNullable<ReplyMessage['error']>): Problem {
  if (FAULTS_OF_THE_SCRIPT.includes(error.code)) return SCRIPT_FAILED.happened(error.message);
  const errors = [{ field: error.field ?? '', code: error.code, message: error.message }];
  return SCRIPT_REFUSED.happened({ detail: error.message, errors });
}
