import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsNumber,
  isObject,
  IsOptional,
  IsString,
  Max,
  Min,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';

import type { Script } from '../brain/script.js';
import type { Ranges } from '../systems/profiles.js';

export const OUTPUTS = ['aeration', 'heating', 'circulation', 'feeding'] as const;
export type Output = (typeof OUTPUTS)[number];

/** What the controller listens to; whatever is left out, its rules stay silent. */
export class ControllerInputs {
  /**
   * Cel
   * @example 24.5
   */
  @IsOptional()
  @IsNumber()
  @Min(-2)
  @Max(50)
  'water-temperature'?: number;

  /**
   * mg/L
   * @example 4.2
   */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(20)
  'dissolved-oxygen'?: number;

  /** @example 6.8 */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(14)
  ph?: number;

  /**
   * mg/L of nitrogen
   * @example 0.01
   */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(100)
  'un-ionised-ammonia'?: number;

  /**
   * % of the normal operating level
   * @example 97
   */
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(150)
  'water-level'?: number;
}

export type ControllerInput = keyof ControllerInputs;

export interface FuzzyControllerRequest {
  inputs: ControllerInputs;
  ranges?: Ranges;
}

export class ControllerOutput {
  /** @example aeration */
  @ApiProperty({ enum: OUTPUTS })
  @IsIn(OUTPUTS)
  output: Output;

  /**
   * The centroid of what its rules say; null where no rule fired.
   * @example 71.4
   */
  @ApiProperty({ type: Number, nullable: true, example: 71.4 })
  @ValidateIf((output: ControllerOutput) => output.value !== null)
  @IsNumber()
  @Min(0)
  @Max(100)
  value: number | null;

  /** @example % */
  @IsIn(['%'])
  unit: string;
}

const isMembership = (degree: unknown): boolean => typeof degree === 'number' && degree >= 0 && degree <= 1;

/** An object of membership degrees by term. */
const AreMemberships = (): PropertyDecorator =>
  ValidateBy({
    name: 'areMemberships',
    validator: {
      validate: (terms: unknown) => isObject(terms) && Object.values(terms).every(isMembership),
      defaultMessage: () => '$property must be an object of degrees from 0 to 1',
    },
  });

export class ControllerInputView {
  /** @example dissolved-oxygen */
  @IsString()
  input: string;

  /** @example 4.2 */
  @IsNumber()
  value: number;

  /**
   * It lay outside of what the controller knows, and its edge was taken instead.
   * @example false
   */
  @IsBoolean()
  clipped: boolean;

  /**
   * How far it belongs to each term, 0 to 1.
   * @example { "low": 0.8, "fair": 0.2, "good": 0 }
   */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'number', minimum: 0, maximum: 1 } })
  @AreMemberships()
  terms: Record<string, number>;
}

export class FiredRule {
  /** @example oxygen-low-aerate */
  @IsString()
  rule: string;

  /**
   * 0 to 1
   * @example 0.8
   */
  @IsNumber()
  @Min(0)
  @Max(1)
  strength: number;

  /** @example 'Low oxygen: fish suffocate within the hour, so aerate fully.' */
  @IsString()
  reason: string;
}

/** What the script replies, and what an evaluation answers. */
export class FuzzyEvaluation {
  /** @example aquaponics */
  @IsString()
  controller: string;

  /** @example 1 */
  @IsString()
  version: string;

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => ControllerOutput)
  outputs: ControllerOutput[];

  /** The membership degrees of what was given. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => ControllerInputView)
  inputs: ControllerInputView[];

  /** The rules that fired, the strongest first. */
  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => FiredRule)
  rules: FiredRule[];

  /**
   * Inputs of the controller that were not given.
   * @example []
   */
  @IsArray()
  @IsString({ each: true })
  missing: string[];
}

export const FUZZY_CONTROLLER: Script<FuzzyControllerRequest, FuzzyEvaluation> = {
  name: 'fuzzy_controller',
  reply: FuzzyEvaluation,
};
