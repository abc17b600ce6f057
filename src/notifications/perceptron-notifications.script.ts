import { Type } from 'class-transformer';
import { IsArray, IsIn, IsNumber, IsString, Max, Min, ValidateNested } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';

import type { Script } from '../brain/script.js';
import type { Quality } from '../readings/quality.js';
import type { Ranges } from '../systems/profiles.js';

/** Each is worse than the one before it. */
export const LEVELS = ['normal', 'advisory', 'warning', 'critical'] as const;
export type Level = (typeof LEVELS)[number];

export interface ClassifiedReading {
  quantity: string;
  value: number | null;
  quality: Quality;
  ageSeconds: number;
  /** Older than this, it says nothing of now. */
  staleAfterSeconds: number;
  ratePerHour: number | null;
}

/** A failed probe and an old reading are facts about the probe, and none about the water. */
export const isUsable = ({ value, quality, ageSeconds, staleAfterSeconds }: ClassifiedReading): boolean =>
  value !== null && quality === 'good' && ageSeconds <= staleAfterSeconds;

export interface PerceptronRequest {
  readings: ClassifiedReading[];
  ranges: Ranges;
}

export class LevelProbabilities {
  /** @example 0.02 */
  @IsNumber()
  @Min(0)
  @Max(1)
  normal: number;

  /** @example 0.08 */
  @IsNumber()
  @Min(0)
  @Max(1)
  advisory: number;

  /** @example 0.7 */
  @IsNumber()
  @Min(0)
  @Max(1)
  warning: number;

  /** @example 0.2 */
  @IsNumber()
  @Min(0)
  @Max(1)
  critical: number;
}

export class Contribution {
  /** @example dissolved-oxygen */
  @IsString()
  quantity: string;

  /**
   * How much of the expected severity (0 normal to 3 critical) is due to it.
   * @example 1.2
   */
  @IsNumber()
  contribution: number;

  /** @example 'dissolved oxygen 4.2 mg/L is below its best range (from 5)' */
  @IsString()
  reason: string;
}

export class PerceptronReply {
  /** @example warning */
  @ApiProperty({ enum: LEVELS })
  @IsIn(LEVELS)
  level: Level;

  @ValidateNested()
  @Type(() => LevelProbabilities)
  probabilities: LevelProbabilities;

  /** What each quantity adds, the greatest first. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Contribution)
  contributions: Contribution[];

  /**
   * Quantities that it has no ranges for.
   * @example []
   */
  @IsArray()
  @IsString({ each: true })
  ignored: string[];

  /** @example 1 */
  @IsString()
  modelVersion: string;
}

export const PERCEPTRON_NOTIFICATIONS: Script<PerceptronRequest, PerceptronReply> = {
  name: 'perceptron_notifications',
  reply: PerceptronReply,
};
