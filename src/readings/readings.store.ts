import type { Batch, Commit } from './flush.js';
import type { SensorFacts } from './sensor-facts.js';

/** Where readings become durable. One flush is one transaction: all of it, or nothing and an error. */
export interface ReadingsStore {
  flush(batch: Batch, facts: Map<number, SensorFacts>): Promise<Commit>;
  close(): Promise<void>;
}

export const READINGS_STORE = Symbol('READINGS_STORE');
