import { IsBoolean, IsIn, IsOptional, IsString, Length, ValidateNested } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';

import { IsSlug } from '../platform/http/slug.js';
import { ACTUATOR_KIND_NAMES, type ActuatorKind } from '../systems/actuators.js';
import { CROP_NAMES, SPECIES_NAMES } from '../systems/profiles.js';
import { ControllerInputs, FuzzyEvaluation, type Output, OUTPUTS } from './fuzzy-controller.script.js';

export class Evaluate {
  @ValidateNested()
  @Type(() => ControllerInputs)
  inputs: ControllerInputs;

  /**
   * Whose ranges to keep to; the compromise between fish, plants and bacteria where it is left out.
   * @example nile-tilapia
   */
  @IsOptional()
  @IsIn(SPECIES_NAMES)
  species?: string;

  /**
   * Needs a species beside it.
   * @example lettuce
   */
  @IsOptional()
  @IsIn(CROP_NAMES)
  crop?: string;
}

export class Decide {
  /**
   * Also make commands of it, for the devices to fetch; otherwise it is a proposal that is stored and listed.
   * @example true
   */
  @ApiProperty({ required: false, default: false })
  @IsOptional()
  @IsBoolean()
  issueCommands: boolean = false;
}

export class InputReading {
  /** @example dissolved-oxygen */
  input: string;

  /**
   * The sensors it comes from.
   * @example ["dissolved-oxygen"]
   */
  sensors: string[];

  /** @example 4.2 */
  value: number;

  /**
   * Of the oldest reading in it.
   * @example 2026-11-20T09:00:00.000Z
   */
  observedAt: string;
}

export class LeftOut {
  /** @example ph */
  input: string;

  /**
   * Why nobody knows it.
   * @example stale
   */
  @ApiProperty({ enum: ['stale', 'bad', 'silent', 'no-sensor'] })
  why: 'stale' | 'bad' | 'silent' | 'no-sensor';
}

export class InterlockView {
  /** @example AIR.LEAST */
  code: string;

  /** @example 'An air pump is never off while there are fish' */
  reason: string;
}

export class ActuatorDisposition {
  /** @example air-pump */
  actuator: string;

  /** @example water */
  deviceId: string;

  /** @example air-pump */
  @ApiProperty({ enum: ACTUATOR_KIND_NAMES })
  kind: ActuatorKind;

  /**
   * The output of the controller that drives it.
   * @example aeration
   */
  @ApiProperty({ enum: OUTPUTS })
  output: Output;

  /**
   * What the controller proposes; null where no rule fired.
   * @example 71.4
   */
  proposedPercent: number | null;

  /**
   * What the interlocks let through.
   * @example 71.4
   */
  percent: number;

  /** Those that changed the proposal. */
  interlocks: InterlockView[];
}

export class Command {
  /** @example 1 */
  id: number;

  /** @example water */
  deviceId: string;

  /** @example air-pump */
  actuator: string;

  /**
   * What to set it to.
   * @example 71.4
   */
  percent: number;

  /**
   * What to fall back to when the command expires and no other has come.
   * @example 100
   */
  safePercent: number;

  /**
   * The decision that caused it.
   * @example 1
   */
  decisionId: number;

  /** @example 2026-11-20T09:00:00.000Z */
  issuedAt: string;

  /** @example 2026-11-20T09:10:00.000Z */
  expiresAt: string;

  /**
   * superseded: a newer command for the same actuator took its place.
   * @example pending
   */
  @ApiProperty({ enum: ['pending', 'done', 'failed', 'superseded', 'expired'] })
  status: 'pending' | 'done' | 'failed' | 'superseded' | 'expired';

  /** When the device answered. */
  acknowledgedAt: string | null;

  /** What the device said of it. */
  detail: string | null;
}

export class Decision {
  /** @example 1 */
  id: number;

  /** @example greenhouse */
  systemId: string;

  /** @example 2026-11-20T09:00:00.000Z */
  at: string;

  /** The readings that it stands on. */
  inputs: InputReading[];

  /** What it could not listen to. */
  leftOut: LeftOut[];

  /** What the controller says, and why. */
  evaluation: FuzzyEvaluation;

  /** What is let through to each actuator. */
  actuators: ActuatorDisposition[];

  /** Those that were issued with it. */
  commands: Command[];
}

export class DecisionList {
  decisions: Decision[];
}

export class CommandsQuery {
  /**
   * Only those of one device.
   * @example water
   */
  @IsOptional()
  @IsSlug()
  deviceId?: string;
}

export class CommandList {
  commands: Command[];
}

export class AcknowledgeCommand {
  /**
   * What became of it.
   * @example done
   */
  @IsIn(['done', 'failed'])
  @ApiProperty({ enum: ['done', 'failed'], example: 'done' })
  outcome: 'done' | 'failed';

  /** @example set */
  @IsOptional()
  @IsString()
  @Length(0, 500)
  detail?: string;
}
