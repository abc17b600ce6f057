import { Type } from 'class-transformer';
import { IsIn, IsInt, IsNumber, IsString, Max, Min, ValidateIf, ValidateNested } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';

import type { Script } from '../brain/script.js';

/** The pixels follow as raw RGB, row by row. */
export interface VisionRequest {
  width: number;
  height: number;
  channels: 3;
  overlay: boolean;
}

export class Share {
  /** @example 34.2 */
  @IsNumber()
  @Min(0)
  @Max(100)
  value: number;

  /** @example % */
  @IsIn(['%'])
  unit: string;
}

export class ShareOfPlants {
  /**
   * Null where there are no plants to measure.
   * @example 3.1
   */
  @ApiProperty({ type: Number, nullable: true, example: 3.1 })
  @ValidateIf((share: ShareOfPlants) => share.value !== null)
  @IsNumber()
  @Min(0)
  @Max(100)
  value: number | null;

  /** @example % */
  @IsIn(['%'])
  unit: string;
}

export class IndexOfPlants {
  /**
   * Null where there are no plants to measure.
   * @example 0.42
   */
  @ApiProperty({ type: Number, nullable: true, example: 0.42 })
  @ValidateIf((index: IndexOfPlants) => index.value !== null)
  @IsNumber()
  @Min(-2)
  @Max(2)
  value: number | null;

  /** @example 1 */
  @IsIn(['1'])
  unit: string;
}

export class OverlaySize {
  /** @example 1024 */
  @IsInt()
  @Min(1)
  @Max(4096)
  width: number;

  /** @example 768 */
  @IsInt()
  @Min(1)
  @Max(4096)
  height: number;

  /** @example 3 */
  @IsIn([3])
  channels: number;
}

/** What is seen in a photo of plants. */
export class VisionFigures {
  /** Plants, per cent of the picture. */
  @ValidateNested()
  @Type(() => Share)
  canopyCover: Share;

  /** How green the plants are. */
  @ValidateNested()
  @Type(() => IndexOfPlants)
  greenness: IndexOfPlants;

  /** Yellow tissue, per cent of the plants. */
  @ValidateNested()
  @Type(() => ShareOfPlants)
  yellowing: ShareOfPlants;

  /** Brown tissue, per cent of the plants. */
  @ValidateNested()
  @Type(() => ShareOfPlants)
  browning: ShareOfPlants;

  /**
   * 0 to 1: how clearly plants and background stand apart, and how well the photo is exposed.
   * @example 0.87
   */
  @IsNumber()
  @Min(0)
  @Max(1)
  confidence: number;

  /**
   * Where the colour index was cut in this light.
   * @example 0.11
   */
  @IsNumber()
  threshold: number;

  /**
   * The index and the way of cutting it, with their version.
   * @example cielab-135+otsu-above-floor/1
   */
  @IsString()
  method: string;
}

export class VisionReply extends VisionFigures {
  @ValidateIf((reply: VisionReply) => reply.overlay !== null)
  @ValidateNested()
  @Type(() => OverlaySize)
  overlay: OverlaySize | null;
}

export const VISION: Script<VisionRequest, VisionReply> = { name: 'vision', reply: VisionReply };
