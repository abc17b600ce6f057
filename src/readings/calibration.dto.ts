import { IsBoolean, IsIn, IsNumber, IsOptional, Max, Min } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';

import { IsInstant } from '../platform/http/instant.js';
import { ProblemDetails } from '../platform/http/problem.js';
import { Rejudged } from './quality.dto.js';

export const POINT_KINDS = ['reference', 'air-saturated', 'zero'] as const;

export class AddPoint {
  /**
   * reference: a bottle whose value is known; air-saturated: water that holds all the oxygen it takes from the air here;
   * zero: water without any.
   * @example reference
   */
  @ApiProperty({ enum: POINT_KINDS, default: 'reference' })
  @IsOptional()
  @IsIn(POINT_KINDS)
  kind: (typeof POINT_KINDS)[number] = 'reference';

  /**
   * What it is, in the quantity's unit; conductivity at 25 Cel, as the bottle says. Not with the other kinds.
   * @example 7
   */
  @IsOptional()
  @IsNumber()
  reference?: number;

  /**
   * What the probe says in it; where it is left out, what it has said in its newest readings, once they have settled.
   * @example 7.12
   */
  @IsOptional()
  @IsNumber()
  raw?: number;

  /**
   * Of the bottle, Cel; where it is left out and matters, what the system's water thermometer says.
   * @example 25
   */
  @IsOptional()
  @IsNumber()
  @Min(-5)
  @Max(60)
  temperatureC?: number;
}

export class ApplyCalibration {
  /**
   * Accept a slope outside of 95 to 105 %; it stands in the history.
   * @example false
   */
  @IsOptional()
  @IsBoolean()
  acceptSlope?: boolean;

  /**
   * From when on it holds: what is stored since then gets its value anew from what the probe said. From now on where it is
   * left out.
   * @example 2026-11-20T09:00:00.000Z
   */
  @IsOptional()
  @IsInstant()
  from?: string;
}

export class RestoreCalibration {
  /**
   * As with a new one.
   * @example 2026-11-20T09:00:00.000Z
   */
  @IsOptional()
  @IsInstant()
  from?: string;
}

export class Point {
  /**
   * What the probe said.
   * @example 7.12
   */
  raw: number;

  /**
   * What it was.
   * @example 7
   */
  reference: number;

  /** @example 25 */
  temperatureC: number | null;
}

export class CalibrationSession {
  /** @example ph */
  sensor: string;

  /**
   * From then on the sensor's readings are suspect: the probe is in a bottle.
   * @example 2026-11-21T09:00:00.000Z
   */
  startedAt: string;

  /**
   * When it ends by itself.
   * @example 2026-11-21T09:30:00.000Z
   */
  endsAt: string;

  points: Point[];
}

export class Calibration {
  /**
   * Counted for each sensor.
   * @example 3
   */
  number: number;

  /** @example 2026-11-21T09:12:00.000Z */
  appliedAt: string;

  /**
   * From when on it holds, until a later one does.
   * @example 2026-11-21T09:12:00.000Z
   */
  from: string;

  /** Lowest reference first. */
  points: Point[];

  /**
   * What the probe gives for a step, in per cent of what an ideal one gives; null where nobody knows that.
   * @example 98.4
   */
  slopePercent: number | null;

  /**
   * Whether a slope outside of 95 to 105 % was accepted.
   * @example false
   */
  slopeAccepted: boolean;

  /**
   * The calibration that it brings back.
   * @example null
   */
  restores: number | null;
}

export class AppliedCalibration extends Calibration {
  /** What became of the readings since `from`; null where it holds from now on. */
  rejudged: Rejudged | null;
}

export class CalibrationList {
  /** @example ph */
  sensor: string;

  /** Newest first. */
  calibrations: Calibration[];
}

export class SlopeProblem extends ProblemDetails {
  /**
   * What was found.
   * @example 83.1
   */
  slopePercent: number;
}
