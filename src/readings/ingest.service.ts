import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Clock } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Events } from '../platform/events.js';
import { ProblemType } from '../platform/http/problem.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { factsOf as quantityFacts } from '../systems/quantities.js';
import type { SensorRow, SystemRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { CommitQueue } from './commit-queue.js';
import { type Batch, type Commit, emptyBatch, firstOf, OUTCOMES } from './flush.js';
import {
  EARLIEST_OBSERVATION,
  type Item,
  type Measured,
  type Refusal,
  refuse,
  refuseTime,
} from './ingest.js';
import { namesOf, QUALITIES } from './quality.js';
import {
  READING_ERROR_EXAMPLE,
  type ReadingResult,
  ReadingsRefused,
  type ReadingsStored,
} from './readings.dto.js';
import { READINGS_STORE, type ReadingsStore } from './readings.store.js';
import { horizonOf } from './retention.js';
import { factsOf, type SensorFacts, systemsOf } from './sensor-facts.js';

export const READINGS_REFUSED = new ProblemType(
  'READINGS.REFUSED',
  422,
  'Not one reading of the batch could be taken',
  ReadingsRefused,
  { extra: { results: [{ outcome: 'refused', error: READING_ERROR_EXAMPLE }] } },
);

/** For protocols whose answer carries results. @throws READINGS_REFUSED where nothing of it could be taken. */
export function refuseIfAllRefused(stored: ReadingsStored): ReadingsStored {
  const { refused, results } = stored;
  if (refused < results.length) return stored;
  throw READINGS_REFUSED.happened({
    detail: `${refused} of ${results.length} readings were refused`,
    extra: { results },
  });
}

const CONFLICT: ReadingResult = {
  outcome: 'refused',
  error: {
    code: 'READING.CONFLICT',
    field: 'value',
    message: 'another value of this sensor at this instant is stored already',
  },
};

const DUPLICATE: ReadingResult = { outcome: 'duplicate' };

/** The one way in: every protocol's adapter hands its items to this. */
@Injectable()
export class IngestService implements OnApplicationShutdown {
  private readonly counter: Counter<'outcome' | 'quality'>;
  private readonly queue: CommitQueue;
  private readonly facts = new Map<number, { sensor: SensorRow; system: SystemRow; facts: SensorFacts }>();

  constructor(
    @Inject(READINGS_STORE) private readonly store: ReadingsStore,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    private readonly events: Events,
    @Inject(CONFIG) private readonly config: Config,
    metrics: Metrics,
  ) {
    this.queue = new CommitQueue((batch) => this.flush(batch));
    this.counter = metrics.counter('readings_total', 'Readings that arrived, by outcome and quality', [
      'outcome',
      'quality',
    ]);
  }

  /**
   * Resolves when what it calls stored is durable. A bad item never throws: it is refused in its place.
   * @param arrivedAt when, for readings that name no time
   * @throws SYSTEM_NOT_FOUND, INGEST_BUSY, STORE_UNAVAILABLE: then nothing of it is acknowledged.
   */
  async ingest(systemId: string, items: Item[], arrivedAt = this.clock.now()): Promise<ReadingsStored> {
    const { system, sensors } = await this.systems.ingestView(systemId);
    const earliest = Math.max(EARLIEST_OBSERVATION, horizonOf('raw', this.config.retention, arrivedAt));
    const results = new Array<ReadingResult>(items.length);
    const places: number[] = [];
    const batch = emptyBatch(items.length);
    for (let index = 0; index < items.length; index++) {
      const item = items[index]!;
      const sensor = 'sensor' in item ? sensors.get(item.sensor) : undefined;
      const refusal = 'refusal' in item ? item : refusalOf(item, sensor, arrivedAt, earliest);
      if (refusal) {
        results[index] = { outcome: 'refused', error: refusal.refusal };
        continue;
      }
      const { value, observedAt = arrivedAt } = item as Measured;
      this.learn(sensor!, system, sensors);
      batch.sensors[places.length] = sensor!.number;
      batch.times[places.length] = Math.floor(observedAt);
      batch.raws[places.length] = value ?? NaN;
      places.push(index);
    }
    if (places.length > 0) {
      const commit = await this.queue.commit(firstOf(batch, places.length));
      for (let place = 0; place < places.length; place++) results[places[place]!] = resultAt(commit, place);
    }
    return this.summarise(results);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.queue.drained();
    await this.store.close();
  }

  private async flush(batch: Batch): Promise<Commit> {
    const facts = new Map<number, SensorFacts>();
    for (const sensor of batch.sensors) {
      if (!facts.has(sensor)) facts.set(sensor, this.facts.get(sensor)!.facts);
    }
    const commit = await this.store.flush(batch, facts);
    if (commit.sensors.length > 0) {
      const { sensors, receivedAt } = commit;
      this.events.emit('readings.committed', { systemIds: systemsOf(sensors, facts), sensors, receivedAt });
    }
    return commit;
  }

  /** Facts stay the same object while they say the same: the store hands on only what is new to it. */
  private learn(sensor: SensorRow, system: SystemRow, sensors: ReadonlyMap<string, SensorRow>): void {
    const known = this.facts.get(sensor.number);
    if (known?.sensor === sensor && known.system === system) return;
    const facts = factsOf(sensor, system, sensors.values());
    const isSame = known !== undefined && JSON.stringify(known.facts) === JSON.stringify(facts);
    this.facts.set(sensor.number, { sensor, system, facts: isSame ? known.facts : facts });
  }

  private summarise(results: ReadingResult[]): ReadingsStored {
    const summary: ReadingsStored = { stored: 0, duplicates: 0, refused: 0, results };
    const counts = new Map<string, number>();
    for (const { outcome, quality = 'none' } of results) {
      if (outcome === 'stored') summary.stored += 1;
      else if (outcome === 'duplicate') summary.duplicates += 1;
      else summary.refused += 1;
      const key = `${outcome} ${quality}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    for (const [key, count] of counts) {
      const [outcome, quality] = key.split(' ') as [string, string];
      this.counter.inc({ outcome, quality }, count);
    }
    return summary;
  }
}

function refusalOf(
  { value, observedAt }: Measured,
  sensor: SensorRow | undefined,
  arrivedAt: number,
  earliest: number,
): { refusal: Refusal } | undefined {
  if (!sensor) return refuse('SENSOR.NOT_FOUND', 'sensor', 'the system has no such sensor');
  if (quantityFacts(sensor.quantity).isDerived) {
    return refuse('READING.DERIVED', 'sensor', 'the sensor is derived from others: nobody reports it');
  }
  if (value !== null && !Number.isFinite(value)) {
    return refuse('READING.VALUE_TYPE', 'value', 'value must be finite');
  }
  return observedAt === undefined ? undefined : refuseTime(observedAt, arrivedAt, earliest);
}

/** Frozen, since thousands of readings share each. */
const RESULTS = new Map<number, ReadingResult>();

function resultAt({ outcomes, qualities, reasons }: Commit, place: number): ReadingResult {
  const outcome = OUTCOMES[outcomes[place]!]!;
  if (outcome === 'conflict') return CONFLICT;
  // How good it is was said when it was stored.
  if (outcome === 'duplicate') return DUPLICATE;
  const key = reasons[place]! * 3 + qualities[place]!;
  let result = RESULTS.get(key);
  if (!result) {
    const quality = QUALITIES[qualities[place]!]!;
    result = Object.freeze({ outcome, quality, reasons: namesOf(reasons[place]!) });
    RESULTS.set(key, result);
  }
  return result;
}
