import type { CompiledQuery } from 'kysely';

import type { Batch, Commit } from './flush.js';
import type { SensorFacts } from './sensor-facts.js';

/** Where readings become durable. One flush is one transaction: all of it, or nothing and an error. */
export interface ReadingsStore {
  flush(batch: Batch, facts: Map<number, SensorFacts>): Promise<Commit>;
  /**
   * A statement of its own, durable, in turn with the flushes. On SQLite another connection would wait for them, and
   * hold up everything else meanwhile.
   */
  run<Row>(statement: CompiledQuery<Row>): Promise<Row[]>;
  close(): Promise<void>;
}

export const READINGS_STORE = Symbol('READINGS_STORE');
