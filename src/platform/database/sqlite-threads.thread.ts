import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

import { openSqlite } from './node-sqlite.js';
import { flatten, type Statement } from './numbers.js';

export interface ThreadData {
  file: string;
  mayWrite: boolean;
}

/** @returns the numbers of the last statement. */
export type ThreadRequest = Statement[];

export type ThreadReply =
  { numbers: Float64Array } | { error: { message: string; code?: string; errcode?: number } };

const { file, mayWrite } = workerData as ThreadData;
const database = mayWrite ? openSqlite(file) : new DatabaseSync(file, { readOnly: true });
// Not mapped into memory, which would be faster: a bad block of an SD card must be an error, not the end of the process.
database.exec('PRAGMA busy_timeout = 5000; PRAGMA cache_size = -8192');
const prepared = new Map<string, StatementSync>();

function run({ statement, parameters }: Statement): Float64Array<ArrayBuffer> {
  let found = prepared.get(statement);
  if (!found) {
    found = database.prepare(statement);
    found.setReturnArrays(true);
    prepared.set(statement, found);
  }
  return flatten(found.all(...parameters) as unknown as unknown[][]);
}

function runTogether(statements: ThreadRequest): Float64Array<ArrayBuffer> {
  if (!mayWrite) return run(statements[0]!);
  database.exec('begin immediate');
  try {
    const results = statements.map(run);
    database.exec('commit');
    return results.at(-1)!;
  } catch (error) {
    // A full disk has rolled it back already.
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

parentPort!.on('message', (statements: ThreadRequest) => {
  try {
    const numbers = runTogether(statements);
    parentPort!.postMessage({ numbers } satisfies ThreadReply, [numbers.buffer]);
  } catch (error) {
    // An error crosses to another thread without its own members.
    const { message, code, errcode } = error as { message: string; code?: string; errcode?: number };
    parentPort!.postMessage({ error: { message, code, errcode } } satisfies ThreadReply);
  }
});
