import { Inject, Injectable } from '@nestjs/common';
import { type Kysely, sql } from 'kysely';

import { DATABASE } from '../platform/database/database.module.js';
import type { ReadingRow, ReadingsTables } from './readings.schema.js';

@Injectable()
export class ReadingsRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<ReadingsTables>) {}

  /** The newest reading of each sensor that has one; a look at the end of each sensor's stretch. */
  async latest(sensorNumbers: number[]): Promise<Map<number, ReadingRow>> {
    const newest = await Promise.all(
      sensorNumbers.map((sensor) =>
        this.database
          .selectFrom('readings')
          .selectAll()
          .where('sensor_number', '=', sensor)
          .orderBy('observed_at', 'desc')
          .limit(1)
          .executeTakeFirst(),
      ),
    );
    return new Map(newest.filter((row) => row !== undefined).map((row) => [row.sensor_number, row]));
  }

  /** The slope of the straight line through a sensor's usable values since then, in units per hour, and its basis. */
  async trend(sensorNumber: number, since: number): Promise<{ perHour: number | null; spanMs: number }> {
    // Hours since then keep the sums small enough to be exact.
    const hours = sql<number>`(cast(observed_at - ${since} as double precision) / 3600000)`;
    const { count, spanMs, h, v, hv, hh } = await this.database
      .selectFrom('readings')
      .select(({ fn }) => [
        fn.countAll<number>().as('count'),
        sql<number>`max(observed_at) - min(observed_at)`.as('spanMs'),
        sql<number>`sum(${hours})`.as('h'),
        fn.sum<number>('value').as('v'),
        sql<number>`sum(${hours} * value)`.as('hv'),
        sql<number>`sum(${hours} * ${hours})`.as('hh'),
      ])
      .where('sensor_number', '=', sensorNumber)
      .where('observed_at', '>=', since)
      .where('quality', '=', 0)
      .executeTakeFirstOrThrow();
    const spread = count * hh - h * h;
    return { perHour: spread > 0 ? (count * hv - h * v) / spread : null, spanMs };
  }

  range(sensorNumber: number, from: number, to: number, limit: number): Promise<ReadingRow[]> {
    return this.database
      .selectFrom('readings')
      .selectAll()
      .where('sensor_number', '=', sensorNumber)
      .where('observed_at', '>=', from)
      .where('observed_at', '<', to)
      .orderBy('observed_at')
      .limit(limit)
      .execute();
  }

  /** When the newest reading of all was observed: one look for each sensor, however many readings there are. */
  async newestObservation(): Promise<number | null> {
    const { rows } = await sql<{ at: number | null }>`
      select max((select max(observed_at) from readings where sensor_number = sensors.number)) as at from sensors
    `.execute(this.database);
    return rows[0]?.at ?? null;
  }
}
