import { parentPort, workerData } from 'node:worker_threads';

import { openSqlite } from '../platform/database/node-sqlite.js';
import type { Batch } from './flush.js';
import type { SensorFacts } from './sensor-facts.js';
import { SqliteWriter } from './sqlite-writer.js';

/** A request to the thread: facts are of the sensors that it does not know yet, or that have changed. */
export interface WriteRequest {
  id: number;
  batch: Batch;
  facts: SensorFacts[];
}

export interface WriterData {
  file: string;
}

const facts = new Map<number, SensorFacts>();
const database = openSqlite((workerData as WriterData).file);
const writer = new SqliteWriter(database, (sensor) => facts.get(sensor)!);

parentPort!.on('message', ({ id, batch, facts: changed }: WriteRequest) => {
  for (const each of changed) facts.set(each.number, each);
  try {
    const commit = writer.write(batch);
    const { outcomes, qualities, reasons } = commit;
    parentPort!.postMessage({ id, commit }, [outcomes.buffer, qualities.buffer, reasons.buffer]);
  } catch (error) {
    // An error crosses to another thread without its own members.
    const { message, code, errcode } = error as { message: string; code?: string; errcode?: number };
    parentPort!.postMessage({ id, error: { message, code, errcode } });
  }
});
