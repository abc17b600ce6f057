import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Clock, isoTime } from '../platform/clock.js';
import { HealthRegistry } from '../platform/health/health.registry.js';
import { ProblemType, REQUEST_INVALID } from '../platform/http/problem.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { factsOf, type Quantity } from '../systems/quantities.js';
import type { SensorRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { pressureAt, saturatedOxygen, unionisedAmmoniaFraction } from './derived.js';
import { type AcceptedReading, examine } from './ingest.js';
import {
  type BucketsQuery,
  type Derived,
  MAX_PAGE,
  type Reading,
  READING_ERROR_EXAMPLE,
  type ReadingResult,
  ReadingsRefused,
  type ReadingsQuery,
  type ReadingsStored,
  type SensorBuckets,
  type SensorReadings,
  type SensorStatus,
  type SystemStatus,
  type TimeRange,
} from './readings.dto.js';
import { type ReadingRow, ReadingsRepository } from './readings.repository.js';

export const READINGS_REFUSED = new ProblemType(
  'READINGS.REFUSED',
  422,
  'Not one reading of the batch could be taken',
  ReadingsRefused,
  { extra: { results: [{ outcome: 'refused', error: READING_ERROR_EXAMPLE }] } },
);

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Over less time, the noise of a probe looks like a landslide. */
const LEAST_TREND_MS = HOUR_MS / 12;

@Injectable()
export class ReadingsService {
  private readonly counter: Counter<'outcome' | 'quality'>;

  constructor(
    private readonly repository: ReadingsRepository,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    metrics: Metrics,
    health: HealthRegistry,
  ) {
    this.counter = metrics.counter('readings_total', 'Readings that arrived, by outcome and quality', [
      'outcome',
      'quality',
    ]);
    health.register('readings', async () => {
      const newest = await repository.newestObservation();
      const age = newest === null ? null : Math.round((clock.now() - newest) / 1000);
      return { ready: true, newestReadingAgeSeconds: age };
    });
  }

  /** Resolves when what it says is stored is durable. @throws READINGS_REFUSED where nothing of it could be taken. */
  async ingest(systemId: string, items: unknown[]): Promise<ReadingsStored> {
    const { sensors } = await this.systems.ingestView(systemId);
    const receivedAt = this.clock.now();
    const results: ReadingResult[] = [];
    const accepted: AcceptedReading[] = [];
    items.forEach((item, index) => {
      const examined = examine(item, index, sensors, receivedAt);
      if ('code' in examined) results[index] = { outcome: 'refused', error: examined };
      else accepted.push(examined);
    });
    const outcomes = await this.repository.store(accepted.map((reading) => asRow(reading, receivedAt)));
    accepted.forEach((reading, position) => {
      results[reading.index] = resultOf(reading, outcomes[position] ?? 'conflict');
    });
    return this.summarise(results);
  }

  async read(systemId: string, sensorId: string, query: ReadingsQuery): Promise<SensorReadings> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const { from, to } = this.period(query);
    const rows = await this.repository.range(sensor.number, from, to, query.limit + 1);
    const next = rows.length > query.limit ? rows.pop() : undefined;
    return {
      ...labelOf(sensor),
      readings: rows.map(asReading),
      next: next ? isoTime(next.observed_at) : null,
    };
  }

  async readBuckets(systemId: string, sensorId: string, query: BucketsQuery): Promise<SensorBuckets> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const { from, to } = this.period(query);
    const { bucketSeconds } = query;
    if ((to - from) / 1000 / bucketSeconds > MAX_PAGE) {
      throw REQUEST_INVALID.happened({
        detail: `The period has more than ${MAX_PAGE} buckets of ${bucketSeconds} seconds`,
        errors: [
          {
            field: 'bucketSeconds',
            code: 'min',
            message: `bucketSeconds must be at least ${Math.ceil((to - from) / 1000 / MAX_PAGE)}`,
          },
        ],
      });
    }
    const rows = await this.repository.buckets(sensor.number, from, to, bucketSeconds * 1000);
    return {
      ...labelOf(sensor),
      bucketSeconds,
      buckets: rows.map(({ at, min, mean, max, count }) => ({ at: isoTime(at), min, mean, max, count })),
    };
  }

  async status(systemId: string): Promise<SystemStatus> {
    const system = await this.systems.find(systemId);
    const now = this.clock.now();
    const sensors = await this.systems.sensors(systemId);
    const latest = await this.repository.latest(sensors.map((sensor) => sensor.number));
    const statuses = sensors.map((sensor) => statusOf(sensor, latest.get(sensor.number), now));
    return {
      systemId,
      at: isoTime(now),
      sensors: statuses,
      unionisedAmmonia: unionisedAmmoniaOf(statuses),
      oxygenSaturation: oxygenSaturationOf(statuses, pressureAt(system.altitude_m)),
    };
  }

  /** How fast each sensor's usable values moved within the last hour, in units per hour; by sensor name. */
  async ratesPerHour(systemId: string): Promise<Map<string, number>> {
    const since = this.clock.now() - HOUR_MS;
    const rates = new Map<string, number>();
    for (const sensor of await this.systems.sensors(systemId)) {
      const { perHour, spanMs } = await this.repository.trend(sensor.number, since);
      if (perHour !== null && spanMs >= LEAST_TREND_MS) rates.set(sensor.id, perHour);
    }
    return rates;
  }

  private summarise(results: ReadingResult[]): ReadingsStored {
    const count = (outcome: ReadingResult['outcome']): number =>
      results.filter((result) => result.outcome === outcome).length;
    for (const { outcome, quality = 'none' } of results) this.counter.inc({ outcome, quality });
    const summary = {
      stored: count('stored'),
      duplicates: count('duplicate'),
      refused: count('refused'),
      results,
    };
    if (summary.refused === results.length) {
      throw READINGS_REFUSED.happened({
        detail: `${summary.refused} of ${results.length} readings were refused`,
        extra: { results },
      });
    }
    return summary;
  }

  private period(range: TimeRange): { from: number; to: number } {
    const to = range.to ? Date.parse(range.to) : this.clock.now();
    const from = range.from ? Date.parse(range.from) : to - DAY_MS;
    if (from > to) {
      throw REQUEST_INVALID.happened({
        detail: 'from is after to',
        errors: [{ field: 'from', code: 'order', message: `from must not be after ${isoTime(to)}` }],
      });
    }
    return { from, to };
  }
}

/**
 * What control and derived quantities listen to: the first sensor of a quantity (in a template, the one in the fish
 * tank), and only while its newest reading is good and fresh.
 */
export function primarySensor(statuses: SensorStatus[], quantity: Quantity): SensorStatus | undefined {
  return statuses.find((status) => status.quantity === quantity);
}

function freshValues(statuses: SensorStatus[], quantities: Quantity[]): number[] | undefined {
  const found = quantities.map((quantity) => primarySensor(statuses, quantity));
  if (!found.every((status) => status?.condition === 'fresh')) return undefined;
  return found.map((status) => status!.reading!.value!);
}

function unionisedAmmoniaOf(statuses: SensorStatus[]): Derived | null {
  const from = ['total-ammonia-nitrogen', 'ph', 'water-temperature'] as const;
  const values = freshValues(statuses, [...from]);
  if (!values) return null;
  const [total, ph, temperature] = values as [number, number, number];
  return {
    value: round(total * unionisedAmmoniaFraction(temperature, ph), 5),
    unit: 'mg/L',
    from: [...from],
  };
}

function oxygenSaturationOf(statuses: SensorStatus[], pressureKpa: number): Derived | null {
  const from = ['dissolved-oxygen', 'water-temperature'] as const;
  const values = freshValues(statuses, [...from]);
  if (!values) return null;
  const [oxygen, temperature] = values as [number, number];
  return {
    value: round((100 * oxygen) / saturatedOxygen(temperature, pressureKpa), 1),
    unit: '%',
    from: [...from],
  };
}

function statusOf(sensor: SensorRow, newest: ReadingRow | undefined, now: number): SensorStatus {
  const { sensor: id, quantity, unit } = labelOf(sensor);
  const label = { sensor: id, quantity, place: sensor.place, unit };
  if (!newest) return { ...label, condition: 'silent', ageSeconds: null, reading: null };
  const ageMs = Math.max(0, now - newest.observed_at);
  const isStale = ageMs > factsOf(quantity).staleAfterMs;
  const condition = newest.quality !== 'good' ? 'bad' : isStale ? 'stale' : 'fresh';
  return { ...label, condition, ageSeconds: Math.round(ageMs / 1000), reading: asReading(newest) };
}

function resultOf(reading: AcceptedReading, outcome: 'stored' | 'duplicate' | 'conflict'): ReadingResult {
  if (outcome !== 'conflict') return { outcome, quality: reading.quality, reasons: reading.reasons };
  const message = 'another value of this sensor at this instant is stored already';
  return { outcome: 'refused', error: { code: 'READING.CONFLICT', field: 'value', message } };
}

const labelOf = (sensor: SensorRow): { sensor: string; quantity: Quantity; unit: string } => ({
  sensor: sensor.id,
  quantity: sensor.quantity,
  unit: factsOf(sensor.quantity).unit,
});

const asRow = (reading: AcceptedReading, receivedAt: number): ReadingRow => ({
  sensor_number: reading.sensor.number,
  observed_at: reading.observedAt,
  received_at: receivedAt,
  value: reading.value,
  raw: reading.raw,
  quality: reading.quality,
  reasons: reading.reasons.join(','),
});

const asReading = (row: ReadingRow): Reading => ({
  observedAt: isoTime(row.observed_at),
  receivedAt: isoTime(row.received_at),
  value: row.value,
  raw: row.raw,
  quality: row.quality,
  reasons: row.reasons ? row.reasons.split(',') : [],
});

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}
