import { ArrayMaxSize, ArrayMinSize, IsArray, IsInt, IsOptional, Max, Min } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';

import { IsInstant } from '../platform/http/instant.js';
import { ProblemDetails } from '../platform/http/problem.js';
import { QUANTITY_NAMES, type Quantity } from '../systems/quantities.js';
import { QUALITIES, type Quality } from './quality.js';

export const MAX_BATCH = 10_000;
export const MAX_PAGE = 10_000;

/** Checked item by item, by the ingest service, so that one bad value never sinks its batch. */
export class NewReading {
  /**
   * The sensor's name within the system.
   * @example water-temperature
   */
  sensor: string;

  /**
   * In the unit of the sensor's quantity; null where the probe failed.
   * @example 26.4
   */
  @ApiProperty({ type: Number, nullable: true, example: 26.4 })
  value: number | null;

  /**
   * When it was measured, ISO 8601 with Z or an offset; the time of arrival where it is left out. Give it if you send
   * again what was not acknowledged: by it the same reading is known. At most a minute in the future, not before 2000.
   * @example 2026-11-20T09:00:00.000Z
   */
  observedAt?: string;
}

export class PostReadings {
  /**
   * 1 to 10,000 readings.
   * @example [{ "sensor": "water-temperature", "value": 26.4 }, { "sensor": "ph", "value": 6.8 }, { "sensor": "dissolved-oxygen", "value": 3.8 }, { "sensor": "total-ammonia-nitrogen", "value": 0.6 }, { "sensor": "water-level", "value": -127 }]
   */
  @ApiProperty({ type: [NewReading] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_BATCH)
  readings: unknown[];
}

export class ReadingError {
  /** @example READING.FUTURE */
  code: string;

  /** @example observedAt */
  field: string;

  /** @example 'observedAt is in the future' */
  message: string;

  /** @example 2026-11-20T09:01:00.000Z */
  limit?: string;
}

export class ReadingResult {
  /**
   * stored; duplicate: the same reading is there already, nothing changed; refused: see error.
   * @example stored
   */
  @ApiProperty({ enum: ['stored', 'duplicate', 'refused'] })
  outcome: 'stored' | 'duplicate' | 'refused';

  /**
   * Of what was stored; a reading that is not good keeps its raw figure and has no usable value.
   * @example good
   */
  @ApiProperty({ enum: QUALITIES, required: false })
  quality?: Quality;

  /**
   * Why the quality is not good.
   * @example []
   */
  reasons?: string[];

  /** Why it was refused. */
  error?: ReadingError;
}

export class ReadingsStored {
  /** @example 3 */
  stored: number;

  /** @example 0 */
  duplicates: number;

  /** @example 0 */
  refused: number;

  /** One for each reading, in the order of the request. */
  results: ReadingResult[];
}

export const READING_ERROR_EXAMPLE: ReadingError = {
  code: 'READING.FUTURE',
  field: 'observedAt',
  message: 'observedAt is in the future',
  limit: '2026-11-20T09:01:00.000Z',
};

export class ReadingsRefused extends ProblemDetails {
  /** One for each reading, in the order of the request. */
  results: ReadingResult[];
}

export class Reading {
  /** @example 2026-11-20T09:00:00.000Z */
  observedAt: string;

  /** @example 2026-11-20T09:00:00.120Z */
  receivedAt: string;

  /**
   * The calibrated value; null where the quality is bad. Only a good one is acted on.
   * @example 26.4
   */
  value: number | null;

  /**
   * What the probe reported.
   * @example 26.4
   */
  raw: number | null;

  /** @example good */
  @ApiProperty({ enum: QUALITIES })
  quality: Quality;

  /** @example [] */
  reasons: string[];
}

export class TimeRange {
  /**
   * From this time on; a day before `to` where it is left out.
   */
  @IsOptional()
  @IsInstant()
  from?: string;

  /**
   * Up to and without this time; now where it is left out.
   */
  @IsOptional()
  @IsInstant()
  to?: string;
}

export class ReadingsQuery extends TimeRange {
  /**
   * How many at the most.
   * @example 1000
   */
  @ApiProperty({ required: false, default: 1000 })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MAX_PAGE)
  limit: number = 1000;
}

export class SensorReadings {
  /** @example water-temperature */
  sensor: string;

  /** @example water-temperature */
  @ApiProperty({ enum: QUANTITY_NAMES })
  quantity: Quantity;

  /** @example Cel */
  unit: string;

  /** Oldest first. */
  readings: Reading[];

  /**
   * Where there are more: ask again with this as `from`.
   * @example null
   */
  next: string | null;
}

export class SensorStatus {
  /** @example water-temperature */
  sensor: string;

  /** @example water-temperature */
  @ApiProperty({ enum: QUANTITY_NAMES })
  quantity: Quantity;

  /** @example tank */
  place: string;

  /** @example Cel */
  unit: string;

  /**
   * fresh: good and recent; stale: the newest reading is too old to say anything of now; bad: it is not good;
   * silent: there is none.
   * @example fresh
   */
  @ApiProperty({ enum: ['fresh', 'stale', 'bad', 'silent'] })
  condition: 'fresh' | 'stale' | 'bad' | 'silent';

  /** @example 12 */
  ageSeconds: number | null;

  /**
   * From this age on a reading of it is stale.
   * @example 600
   */
  staleAfterSeconds: number;

  /**
   * It should be calibrated again.
   * @example false
   */
  calibrationDue: boolean;

  /** The newest reading. */
  reading: Reading | null;
}

export class DisagreementView {
  /** @example ph */
  @ApiProperty({ enum: QUANTITY_NAMES })
  quantity: Quantity;

  /** @example tank */
  place: string;

  /**
   * The one that says least, and the one that says most.
   * @example ["ph", "spare-ph"]
   */
  sensors: string[];

  /** @example 0.42 */
  difference: number;

  /**
   * By how much two sensors of the quantity may differ.
   * @example 0.3
   */
  tolerance: number;
}

export class Derived {
  /** @example 0.011 */
  value: number;

  /** @example mg/L */
  unit: string;

  /**
   * The sensors it was computed from.
   * @example ["total-ammonia-nitrogen", "ph", "water-temperature"]
   */
  from: string[];
}

export class SystemStatus {
  /** @example greenhouse */
  systemId: string;

  /** @example 2026-11-20T09:00:12.000Z */
  at: string;

  sensors: SensorStatus[];

  /** Good and fresh sensors of one quantity at one place that contradict one another: one of them is wrong. */
  disagreements: DisagreementView[];

  /** Un-ionised ammonia as nitrogen; null where an input is not good and fresh. Toxic from 0.2 mg/L. */
  unionisedAmmonia: Derived | null;

  /** Per cent of what air-saturated water of this temperature holds at this altitude. */
  oxygenSaturation: Derived | null;
}
