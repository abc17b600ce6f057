import type { SQLInputValue } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import type { CompiledQuery } from 'kysely';

import { RETRY_AFTER, STORE_UNAVAILABLE } from '../platform/database/unavailable.js';
import type { Batch, Commit } from './flush.js';
import type { ReadingsStore } from './readings.store.js';
import type { SensorFacts } from './sensor-facts.js';
import type { WriterData, WriterRequest } from './sqlite-writer.thread.js';

type Reply = { id: number } & ({ result: unknown } | { error: { message: string } });

interface Writer {
  thread: Worker;
  /** The facts that the thread has. */
  knows: Map<number, SensorFacts>;
}

/** Writes in a thread of its own: on an SD card a sync takes long, and nothing else may wait for it. */
export class SqliteStore implements ReadingsStore {
  private writer: Writer | undefined;
  private readonly pending = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >();
  private lastId = 0;

  constructor(private readonly file: string) {}

  flush(batch: Batch, facts: Map<number, SensorFacts>): Promise<Commit> {
    const writer = (this.writer ??= this.startWriter());
    const changed = [...facts.values()].filter((each) => writer.knows.get(each.number) !== each);
    for (const each of changed) writer.knows.set(each.number, each);
    const buffers = [batch.sensors.buffer, batch.times.buffer, batch.raws.buffer];
    return this.ask(writer, { batch, facts: changed }, buffers) as Promise<Commit>;
  }

  run<Row>({ sql, parameters }: CompiledQuery<Row>): Promise<Row[]> {
    const writer = (this.writer ??= this.startWriter());
    return this.ask(writer, { sql, parameters: parameters as SQLInputValue[] }) as Promise<Row[]>;
  }

  async close(): Promise<void> {
    await this.writer?.thread.terminate();
  }

  private ask({ thread }: Writer, request: WriterRequest, moved: ArrayBufferLike[] = []): Promise<unknown> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      thread.postMessage({ id, ...request }, moved as ArrayBuffer[]);
    });
  }

  private startWriter(): Writer {
    const workerData: WriterData = { file: this.file };
    const thread = new Worker(new URL('./sqlite-writer.thread.js', import.meta.url), { workerData });
    thread.on('message', (reply: Reply) => {
      const waiting = this.pending.get(reply.id);
      this.pending.delete(reply.id);
      if ('result' in reply) waiting?.resolve(reply.result);
      else waiting?.reject(Object.assign(new Error(reply.error.message), reply.error));
    });
    let cause: unknown;
    thread.on('error', (error: Error) => (cause = error));
    thread.on('exit', () => {
      // What it had committed nobody knows; whoever sends it again finds out.
      const detail = 'The thread that writes readings has ended';
      const error = STORE_UNAVAILABLE.happened({ detail, headers: RETRY_AFTER, cause });
      for (const { reject } of this.pending.values()) reject(error);
      this.pending.clear();
      if (this.writer?.thread === thread) this.writer = undefined;
    });
    return { thread, knows: new Map() };
  }
}
