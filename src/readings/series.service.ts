import { Injectable } from '@nestjs/common';

import { Clock, isoTime } from '../platform/clock.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import type { CalendarUnit } from '../platform/local-time.js';
import { factsOf } from '../systems/quantities.js';
import type { SensorRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { periodOf } from './period.js';
import { add, type Figures, FIGURES, noFigures } from './series-figures.js';
import { type Cut, cut, type Grid, type Level, parts, type Plan, plan } from './series-grid.js';
import {
  type Bucket,
  DEFAULT_POINTS,
  MAX_BUCKETS,
  MAX_BUCKETS_IN_ALL,
  MAX_SENSORS,
  type SensorsInTime,
  type SeriesQuery,
  type SystemSeries,
} from './series.dto.js';
import { SeriesRepository, type Values } from './series.repository.js';
import { UpkeepService } from './upkeep.service.js';

@Injectable()
export class SeriesService {
  constructor(
    private readonly repository: SeriesRepository,
    private readonly systems: SystemsService,
    private readonly upkeep: UpkeepService,
    private readonly clock: Clock,
  ) {}

  async read(systemId: string, query: SeriesQuery): Promise<SystemSeries> {
    const { system } = await this.systems.ingestView(systemId);
    const sensors = await this.sensors(systemId, query.sensor);
    const timeZone = query.timeZone ?? system.time_zone;
    const values = query.values ?? 'calibrated';
    const asked = this.grid(query, timeZone, sensors.length);
    const { days, retired } = await this.upkeep.stateOf(system);
    // Roll-ups are of calibrated values.
    const found: Plan = values === 'raw' ? { level: 'raw', grid: asked } : plan(asked, days, retired);
    const { level, grid } = found;
    const series = await Promise.all(
      sensors.map(async (sensor) => ({
        sensor: sensor.id,
        quantity: sensor.quantity,
        unit: unitOf(sensor, values),
        buckets: bucketsOf(grid, await this.figures(sensor.number, found, values)),
      })),
    );
    const [from, to] = [isoTime(grid[0]!), isoTime(grid.at(-1)!)];
    return { systemId, from, to, timeZone, values, level, series };
  }

  /** The figures of each bucket of a grid. */
  async figures(sensorNumber: number, { level, grid }: Plan, values: Values): Promise<Figures[]> {
    const figures = grid.slice(1).map(noFigures);
    if (level !== 'raw') {
      await this.addRollups(figures, level, sensorNumber, grid);
      return figures;
    }
    const { readings, hours } = values === 'raw' ? { readings: whole(grid), hours: [] } : parts(grid);
    const [ofReadings] = await Promise.all([
      this.repository.figuresOf(
        sensorNumber,
        readings.map(([, from, to]) => [from, to] as const),
        values,
      ),
      hours.length > 0 && this.addHours(figures, sensorNumber, hours),
    ]);
    readings.forEach(([place], index) => add(figures[place]!, ofReadings, index * FIGURES));
    return figures;
  }

  /** @throws SENSOR_NOT_FOUND */
  async sensors(systemId: string, ids: SensorsInTime['sensor']): Promise<SensorRow[]> {
    if (!ids) {
      const { sensors } = await this.systems.ingestView(systemId);
      return [...sensors.values()].slice(0, MAX_SENSORS);
    }
    return Promise.all([...new Set(ids)].map((id) => this.systems.findSensor(systemId, id)));
  }

  private grid(query: SeriesQuery, timeZone: string, sensors: number): Grid {
    const { from, to } = periodOf(query, this.clock.now());
    if (query.bucket !== undefined && query.points !== undefined) {
      throw refuseFields([
        { field: 'points', code: 'either', message: 'points and bucket exclude one another' },
      ]);
    }
    const most = Math.min(MAX_BUCKETS, Math.floor(MAX_BUCKETS_IN_ALL / Math.max(1, sensors)));
    const grid = cut(from, to, cutOf(query, timeZone), most);
    if (grid) return grid;
    const field = query.bucket === undefined ? 'points' : 'bucket';
    throw REQUEST_INVALID.happened({
      detail: `That is more than ${most} buckets a sensor, which is the most of ${sensors} at once`,
      errors: [{ field, code: 'max', message: `${field} must give at most ${most} buckets` }],
    });
  }

  private async addRollups(
    figures: Figures[],
    level: Exclude<Level, 'raw'>,
    sensorNumber: number,
    grid: Grid,
  ): Promise<void> {
    const rows = await this.repository.rollups(level, sensorNumber, grid[0]!, grid.at(-1)!);
    let place = 0;
    for (let row = 0; row < rows.length; row += 1 + FIGURES) {
      while (rows[row]! >= grid[place + 1]!) place += 1;
      add(figures[place]!, rows, row + 1);
    }
  }

  private async addHours(
    figures: Figures[],
    sensorNumber: number,
    hours: [place: number, from: number, to: number][],
  ): Promise<void> {
    const rows = await this.repository.rollups('hourly', sensorNumber, hours[0]![1], hours.at(-1)![2]);
    let next = 0;
    for (let row = 0; row < rows.length; row += 1 + FIGURES) {
      const at = rows[row]!;
      while (at >= hours[next]![2]) next += 1;
      const [place, from] = hours[next]!;
      // An hour that two buckets share is in neither's hours.
      if (at >= from) add(figures[place]!, rows, row + 1);
    }
  }
}

/** What a probe reports may be in another unit than what calibration makes of it. */
export const unitOf = ({ quantity, raw_unit }: SensorRow, values: Values): string =>
  (values === 'raw' && raw_unit) || factsOf(quantity).unit;

const whole = (grid: Grid): [place: number, from: number, to: number][] =>
  grid.slice(1).map((to, place) => [place, grid[place]!, to]);

function cutOf({ bucket, points }: SeriesQuery, timeZone: string): Cut {
  if (bucket === undefined) return { points: points ?? DEFAULT_POINTS };
  const seconds = Number(bucket);
  return Number.isNaN(seconds) ? { unit: bucket as CalendarUnit, timeZone } : { widthMs: seconds * 1000 };
}

function bucketsOf(grid: Grid, figures: Figures[]): Bucket[] {
  const hasReadings = ({ count, suspect, bad }: Figures): boolean => count + suspect + bad > 0;
  const first = figures.findIndex(hasReadings);
  const last = figures.findLastIndex(hasReadings);
  const buckets: Bucket[] = [];
  for (let place = first; place >= 0 && place <= last; place++) {
    const { count, sum, min, max, last: newest, suspect, bad } = figures[place]!;
    const at = isoTime(grid[place]!);
    buckets.push(
      count > 0
        ? { at, min, mean: sum / count, max, last: newest, count, suspect, bad }
        : { at, min: null, mean: null, max: null, last: null, count, suspect, bad },
    );
  }
  return buckets;
}
