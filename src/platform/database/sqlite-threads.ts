import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import type { NumberReader, Statement, Transactions } from './numbers.js';
import type { ThreadData, ThreadReply, ThreadRequest } from './sqlite-threads.thread.js';
import { RETRY_AFTER, STORE_UNAVAILABLE } from './unavailable.js';

interface Task {
  request: ThreadRequest;
  resolve: (numbers: Float64Array) => void;
  reject: (error: Error) => void;
}

/** Threads beside the one that serves, each with a connection of its own; the first task starts them. */
abstract class SqliteThreads {
  private readonly waiting: Task[] = [];
  private readonly idle: Worker[] = [];
  private readonly busy = new Map<Worker, Task>();
  private isClosed = false;

  constructor(
    private readonly data: ThreadData,
    private readonly most: number,
  ) {}

  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all([...this.idle, ...this.busy.keys()].map((thread) => thread.terminate()));
  }

  protected run(request: ThreadRequest): Promise<Float64Array> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ request, resolve, reject });
      this.next();
    });
  }

  private next(): void {
    if (this.waiting.length === 0 || this.isClosed) return;
    const thread = this.idle.pop() ?? (this.busy.size < this.most ? this.start() : undefined);
    if (!thread) return;
    const task = this.waiting.shift()!;
    this.busy.set(thread, task);
    thread.postMessage(task.request);
  }

  private start(): Worker {
    const thread = new Worker(new URL('./sqlite-threads.thread.js', import.meta.url), {
      workerData: this.data,
    });
    const settle = (how: (task: Task) => void): void => {
      const task = this.busy.get(thread);
      this.busy.delete(thread);
      if (task) how(task);
    };
    thread.on('message', (reply: ThreadReply) => {
      settle(({ resolve, reject }) => {
        if ('numbers' in reply) resolve(reply.numbers);
        else reject(Object.assign(new Error(reply.error.message), reply.error));
      });
      this.idle.push(thread);
      this.next();
    });
    let cause: unknown;
    thread.on('error', (error: Error) => (cause = error));
    thread.on('exit', () => {
      const detail = 'A thread of the database has ended';
      settle(({ reject }) => reject(STORE_UNAVAILABLE.happened({ detail, headers: RETRY_AFTER, cause })));
      const place = this.idle.indexOf(thread);
      if (place >= 0) this.idle.splice(place, 1);
      this.next();
    });
    // Nobody waits for it at the end.
    thread.unref();
    return thread;
  }
}

/** Long looks: a chart of a year must not hold up a reading that arrives meanwhile. */
export class SqliteReaders extends SqliteThreads implements NumberReader {
  constructor(file: string) {
    super({ file, mayWrite: false }, Math.min(4, availableParallelism()));
  }

  numbers(statement: string, parameters: (number | string)[]): Promise<Float64Array> {
    return this.run([{ statement, parameters }]);
  }
}

/** What waits for the lock of the file must not wait in the thread that serves. */
export class SqliteTransactions extends SqliteThreads implements Transactions {
  constructor(file: string) {
    super({ file, mayWrite: true }, 1);
  }

  async transact(statements: Statement[]): Promise<void> {
    await this.run(statements);
  }
}
