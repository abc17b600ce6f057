import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsInt,
  IsNumber,
  IsOptional,
  Max,
  Min,
  ValidateIf,
} from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';

import { IsInstant } from '../platform/http/instant.js';

/** Where null switches a rule off, and leaving it out leaves the quantity's own. */
const IsSet = (): PropertyDecorator => (target, property) =>
  ValidateIf(
    (body: Record<string | symbol, unknown>) => body[property] !== undefined && body[property] !== null,
  )(target, property);

/** Where it may be left out, and not be null. */
const IsGiven = (): PropertyDecorator => (target, property) =>
  ValidateIf((body: Record<string | symbol, unknown>) => body[property] !== undefined)(target, property);

/** What is left out is as the quantity has it; null switches a rule off. */
export class SetRules {
  /**
   * What a working probe can report, after calibration: the least and the most.
   * @example [0, 40]
   */
  @IsGiven()
  @IsArray()
  @ArrayMinSize(2)
  @ArrayMaxSize(2)
  @IsNumber({}, { each: true })
  physical?: number[];

  /**
   * Figures that a failed probe reports in place of a value, as it reports them.
   * @example [-127, 85]
   */
  @IsGiven()
  @IsArray()
  @ArrayMaxSize(20)
  @IsNumber({}, { each: true })
  sentinels?: number[];

  /**
   * The most that it moves within a minute.
   * @example 2
   */
  @ApiProperty({ type: Number, nullable: true, required: false, example: 2 })
  @IsSet()
  @IsNumber()
  @Min(1e-9)
  maxPerMinute?: number | null;

  /**
   * The same raw figure over and over for longer than this is a stuck probe.
   * @example 43200
   */
  @ApiProperty({ type: Number, nullable: true, required: false, example: 43200 })
  @IsSet()
  @IsInt()
  @Min(60)
  @Max(31_536_000)
  stuckAfterSeconds?: number | null;

  /**
   * Going up and down by more than this, four times in a row, is noise.
   * @example 1
   */
  @ApiProperty({ type: Number, nullable: true, required: false, example: 1 })
  @IsSet()
  @IsNumber()
  @Min(1e-9)
  noiseAbove?: number | null;

  /**
   * A reading older than this says nothing of now.
   * @example 600
   */
  @IsGiven()
  @IsInt()
  @Min(1)
  @Max(31_536_000)
  staleAfterSeconds?: number;

  /**
   * How often it is to be calibrated; null: never.
   * @example 30
   */
  @ApiProperty({ type: Number, nullable: true, required: false, example: 30 })
  @IsSet()
  @IsInt()
  @Min(1)
  @Max(3650)
  calibrateEveryDays?: number | null;
}

export class Rules {
  /** @example [-2, 50] */
  physical: number[];

  /** @example [-127, 85, 255, -9999] */
  sentinels: number[];

  /** @example 10 */
  maxPerMinute: number | null;

  /** @example 86400 */
  stuckAfterSeconds: number | null;

  /** @example 2 */
  noiseAbove: number | null;

  /** @example 600 */
  staleAfterSeconds: number;

  /** @example 30 */
  calibrateEveryDays: number | null;
}

export class SensorRulesView {
  /** @example water-temperature */
  sensor: string;

  /** @example Cel */
  unit: string;

  /** By what its readings are judged. */
  rules: Rules;

  /**
   * Which of them were set for this sensor; the others are the quantity's.
   * @example ["physical"]
   */
  overridden: string[];
}

export class Rejudge {
  /**
   * From this time on.
   * @example 2026-11-01T00:00:00.000Z
   */
  @IsInstant()
  from: string;

  /**
   * Up to this time; now where it is left out.
   * @example 2026-11-21T00:00:00.000Z
   */
  @IsOptional()
  @IsInstant()
  to?: string;
}

export class Rejudged {
  /** @example water-temperature */
  sensor: string;

  /** @example 2026-11-01T00:00:00.000Z */
  from: string;

  /** @example 2026-11-21T00:00:00.000Z */
  to: string;

  /**
   * How many were looked at.
   * @example 28800
   */
  readings: number;

  /**
   * How many have another value, quality or reason than before.
   * @example 12
   */
  changed: number;

  /** @example 28780 */
  good: number;

  /** @example 8 */
  suspect: number;

  /** @example 12 */
  bad: number;
}
