import type { SQLInputValue } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

import { openSqlite } from '../platform/database/node-sqlite.js';
import type { Batch } from './flush.js';
import type { SensorFacts } from './sensor-facts.js';
import { SqliteWriter } from './sqlite-writer.js';

/** A batch for the thread: facts are of the sensors that it does not know yet, or that have changed. */
interface WriteRequest {
  batch: Batch;
  facts: SensorFacts[];
}

/** Any one statement. */
interface RunRequest {
  sql: string;
  parameters: SQLInputValue[];
}

export type WriterRequest = WriteRequest | RunRequest;

export interface WriterData {
  file: string;
}

const facts = new Map<number, SensorFacts>();
const database = openSqlite((workerData as WriterData).file);
const writer = new SqliteWriter(database, (sensor) => facts.get(sensor)!);

parentPort!.on('message', ({ id, ...request }: { id: number } & WriterRequest) => {
  try {
    if ('sql' in request) {
      const rows = database.prepare(request.sql).all(...request.parameters);
      return parentPort!.postMessage({ id, result: rows });
    }
    for (const each of request.facts) facts.set(each.number, each);
    const commit = writer.write(request.batch);
    const { outcomes, qualities, reasons } = commit;
    parentPort!.postMessage({ id, result: commit }, [outcomes.buffer, qualities.buffer, reasons.buffer]);
  } catch (error) {
    // An error crosses to another thread without its own members.
    const { message, code, errcode } = error as { message: string; code?: string; errcode?: number };
    parentPort!.postMessage({ id, error: { message, code, errcode } });
  }
});
