import { IsOptional } from 'class-validator';

import { IsInstant } from '../platform/http/instant.js';
import { VisionFigures } from './vision.script.js';

export class PhotoQuery {
  /**
   * When the photo was taken; now where it is left out.
   * @example 2026-11-20T09:00:00.000Z
   */
  @IsOptional()
  @IsInstant()
  observedAt?: string;
}

export class PhotoFacts {
  /** @example jpeg */
  format: string;

  /** @example 4000 */
  width: number;

  /** @example 3000 */
  height: number;
}

/** A look at a photo. */
export class Analysis extends VisionFigures {
  /** @example 1 */
  id: number;

  /**
   * Null where no system was given.
   * @example greenhouse
   */
  systemId: string | null;

  /** @example 2026-11-20T09:00:00.000Z */
  at: string;

  photo: PhotoFacts;

  /**
   * The photo with its plants outlined, as JPEG; needs a key like every other route.
   * @example /v1/analyses/1/overlay
   */
  overlayUrl: string;

  /**
   * The sensors that the figures were stored to as readings; empty without a system, or where the confidence was too
   * low to call a figure a reading. Only sensors of the device `camera` are written to: a figure is left out where its
   * name belongs to another device's sensor.
   * @example ["canopy-cover", "greenness", "yellowing", "browning"]
   */
  storedTo: string[];
}

export class AnalysisList {
  analyses: Analysis[];
}
