import { ArrayMaxSize, IsArray, IsIn, IsInt, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';

import { IsTimeZone } from '../platform/http/time-zone.js';
import { QUANTITY_NAMES, type Quantity } from '../systems/quantities.js';
import { MAX_PAGE, TimeRange } from './readings.dto.js';
import { type Level, LEVELS } from './series-grid.js';
import type { Values } from './series.repository.js';

export const MAX_SENSORS = 32;
export const MAX_BUCKETS = MAX_PAGE;
/** Of all sensors together. */
export const MAX_BUCKETS_IN_ALL = 20_000;
export const DEFAULT_POINTS = 500;

const VALUES = ['calibrated', 'raw'] as const satisfies Values[];

/** Which sensors of a system, and when. */
export class SensorsInTime extends TimeRange {
  /**
   * Sensors of the system, once each or separated by commas, at most 32; all that it has where it is left out.
   * @example ["water-temperature", "ph"]
   */
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => listed(value))
  @IsArray()
  @ArrayMaxSize(MAX_SENSORS)
  @IsString({ each: true })
  sensor?: string[];

  /**
   * By whose clocks: a name of the IANA data base; the system's own where it is left out.
   * @example Europe/Berlin
   */
  @IsOptional()
  @IsTimeZone()
  timeZone?: string;

  /**
   * What calibration and quality rules make of what the probes said, or what they said.
   * @example calibrated
   */
  @ApiProperty({ enum: VALUES, required: false })
  @IsOptional()
  @IsIn(VALUES)
  values?: Values;
}

export class SeriesQuery extends SensorsInTime {
  /**
   * How wide a bucket is: a number of seconds, or an hour, day, week or month by the clocks of the time zone.
   * Such buckets are whole: the first is the one that `from` lies in.
   * @example day
   */
  @IsOptional()
  @Matches(/^([1-9]\d{0,8}|hour|day|week|month)$/, {
    message: 'bucket must be a number of seconds, hour, day, week or month',
  })
  bucket?: string;

  /**
   * Or into how many buckets, about, the period is divided, all of one width, of whole hours where that is an hour or more;
   * 500 where neither is given.
   */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MAX_BUCKETS)
  points?: number;
}

export class Bucket {
  /**
   * Where it begins; it ends where the next begins.
   * @example 2026-11-20T09:00:00.000Z
   */
  at: string;

  /**
   * Of good readings, like the next three; null where there is none: a gap.
   * @example 26.1
   */
  min: number | null;

  /** @example 26.4 */
  mean: number | null;

  /** @example 26.8 */
  max: number | null;

  /** @example 26.5 */
  last: number | null;

  /**
   * Good readings.
   * @example 180
   */
  count: number;

  /**
   * Readings that may be right, and are in none of the figures.
   * @example 0
   */
  suspect: number;

  /**
   * Readings of failed probes.
   * @example 0
   */
  bad: number;
}

export class Series {
  /** @example water-temperature */
  sensor: string;

  /** @example water-temperature */
  @ApiProperty({ enum: QUANTITY_NAMES })
  quantity: Quantity;

  /** @example Cel */
  unit: string;

  /** Without gaps from the first that has readings to the last that has; empty where there are none. */
  buckets: Bucket[];
}

export class SystemSeries {
  /** @example greenhouse */
  systemId: string;

  /**
   * Where the first bucket begins.
   * @example 2026-11-20T00:00:00.000Z
   */
  from: string;

  /**
   * Where the last one ends.
   * @example 2026-11-21T00:00:00.000Z
   */
  to: string;

  /** @example Europe/Berlin */
  timeZone: string;

  /** @example calibrated */
  @ApiProperty({ enum: VALUES })
  values: Values;

  /**
   * What it was made from. The figures are the same; but where readings were removed for their age, buckets are as wide
   * as the roll-ups that are left.
   * @example hourly
   */
  @ApiProperty({ enum: LEVELS })
  level: Level;

  series: Series[];
}

function listed(value: unknown): unknown {
  const all = Array.isArray(value) ? (value as unknown[]) : [value];
  return all.flatMap((each) => (typeof each === 'string' ? each.split(',') : [each]));
}
