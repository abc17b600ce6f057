import { Injectable } from '@nestjs/common';

import { Clock, isoTime } from '../platform/clock.js';
import { HealthRegistry } from '../platform/health/health.registry.js';
import { factsOf, type Quantity } from '../systems/quantities.js';
import { calibrationDueAt, type SensorRow, staleAfterMsOf } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { pressureAt, saturatedOxygen, unionisedAmmoniaFraction } from '../systems/equations.js';
import { disagreements } from './disagreements.js';
import { periodOf } from './period.js';
import { namesOf, QUALITIES } from './quality.js';
import {
  type Derived,
  type Reading,
  type ReadingsQuery,
  type SensorReadings,
  type SensorStatus,
  type SystemStatus,
} from './readings.dto.js';
import { ReadingsRepository } from './readings.repository.js';
import type { ReadingRow } from './readings.schema.js';

const HOUR_MS = 3_600_000;
/** Over less time, the noise of a probe looks like a landslide. */
const LEAST_TREND_MS = HOUR_MS / 12;

@Injectable()
export class ReadingsService {
  constructor(
    private readonly repository: ReadingsRepository,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    health: HealthRegistry,
  ) {
    health.register('readings', async () => {
      const newest = await repository.newestObservation();
      const age = newest === null ? null : Math.round((clock.now() - newest) / 1000);
      return { ready: true, newestReadingAgeSeconds: age };
    });
  }

  async read(systemId: string, sensorId: string, query: ReadingsQuery): Promise<SensorReadings> {
    const sensor = await this.systems.findSensor(systemId, sensorId);
    const { from, to } = periodOf(query, this.clock.now());
    const rows = await this.repository.range(sensor.number, from, to, query.limit + 1);
    const next = rows.length > query.limit ? rows.pop() : undefined;
    return {
      ...labelOf(sensor),
      readings: rows.map(asReading),
      next: next ? isoTime(next.observed_at) : null,
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
      disagreements: disagreementsAmong(statuses),
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

/** Of those that are worth listening to. */
function disagreementsAmong(statuses: SensorStatus[]): SystemStatus['disagreements'] {
  const heard = statuses.flatMap(({ sensor, quantity, place, condition, reading }) =>
    condition === 'fresh' ? [{ sensor, quantity, place, value: reading!.value! }] : [],
  );
  return disagreements(heard).map(({ difference, ...rest }) => ({
    ...rest,
    difference: round(difference, 5),
  }));
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
  const dueAt = calibrationDueAt(sensor);
  const calibrationDue = dueAt !== null && dueAt <= now;
  const staleAfterMs = staleAfterMsOf(sensor);
  const label = {
    sensor: id,
    quantity,
    place: sensor.place,
    unit,
    staleAfterSeconds: staleAfterMs / 1000,
    calibrationDue,
  };
  if (!newest) return { ...label, condition: 'silent', ageSeconds: null, reading: null };
  const ageMs = Math.max(0, now - newest.observed_at);
  const isStale = ageMs > staleAfterMs;
  const condition = newest.quality !== 0 ? 'bad' : isStale ? 'stale' : 'fresh';
  return { ...label, condition, ageSeconds: Math.round(ageMs / 1000), reading: asReading(newest) };
}

const labelOf = (sensor: SensorRow): { sensor: string; quantity: Quantity; unit: string } => ({
  sensor: sensor.id,
  quantity: sensor.quantity,
  unit: factsOf(sensor.quantity).unit,
});

const asReading = (row: ReadingRow): Reading => ({
  observedAt: isoTime(row.observed_at),
  receivedAt: isoTime(row.received_at),
  value: row.value,
  raw: row.raw,
  quality: QUALITIES[row.quality],
  reasons: namesOf(row.reasons),
});

function round(value: number, decimals: number): number {
  return Math.round(value * 10 ** decimals) / 10 ** decimals;
}
