import { Inject, Injectable } from '@nestjs/common';

import { Brain } from '../brain/brain.module.js';
import { SCRIPT_REPLY_INVALID } from '../brain/brain.problems.js';
import { Clock, isoTime } from '../platform/clock.js';
import { CONFIG, type Config } from '../platform/config.js';
import type { PageQuery } from '../platform/http/page.js';
import { BODY_MEDIA_TYPE, Problem, ProblemType } from '../platform/http/problem.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import { type Measured, refuseTime } from '../readings/ingest.js';
import { IngestService, READINGS_REFUSED, refuseIfAllRefused } from '../readings/ingest.service.js';
import { SystemsService } from '../systems/systems.service.js';
import { decodePhoto, encodeJpeg, IMAGE_TYPES } from './image.js';
import { Turns } from './turns.js';
import type { Analysis } from './vision.dto.js';
import { type AnalysisRow, VisionRepository } from './vision.repository.js';
import { VISION, type VisionReply } from './vision.script.js';

export const OVERLAY_NOT_FOUND = new ProblemType(
  'OVERLAY.NOT_FOUND',
  404,
  'There is no such analysis, or its picture is no longer kept',
);

/** Below this, what looks like plants may be noise: the figures are answered and not stored as readings. */
const LEAST_CONFIDENCE = 0.3;

@Injectable()
export class VisionService {
  /** Decoding takes far more memory than the photo does: as many at once as there are workers to hand them to. */
  private readonly decoding: Turns;

  constructor(
    private readonly brain: Brain,
    private readonly repository: VisionRepository,
    private readonly readings: IngestService,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    @Inject(CONFIG) config: Config,
  ) {
    this.decoding = new Turns(config.pools.vision!);
  }

  async analyse(upload: unknown, systemId: string | null, observedAt?: string): Promise<Analysis> {
    if (!Buffer.isBuffer(upload))
      throw BODY_MEDIA_TYPE.happened(`The body must be one of ${IMAGE_TYPES.join(', ')}`);
    if (systemId !== null) await this.systems.find(systemId);
    const at = this.observationTime(observedAt);
    const { data, width, height, format, originalWidth, originalHeight } = await this.decoding.inTurn(
      (leftMs) => decodePhoto(upload, leftMs),
    );
    const request = { width, height, channels: 3, overlay: true } as const;
    const { reply, payload } = await this.brain.ask(VISION, request, data);
    const { overlay, ...figures } = reply;
    if (!overlay || payload.length !== overlay.width * overlay.height * overlay.channels) {
      throw SCRIPT_REPLY_INVALID.happened('vision: the overlay is missing or of another size than it says');
    }
    const picture = await encodeJpeg({ data: payload, width: overlay.width, height: overlay.height });
    const photo = { format, width: originalWidth, height: originalHeight };
    const body: AnalysisBody = { ...figures, photo, storedTo: [] };
    const row = { system_id: systemId, at: Date.parse(at), body: JSON.stringify(body) };
    // Before its readings: should the rest fail, there may be an analysis without readings, and never the reverse.
    const id = await this.repository.insert(row, picture);
    if (systemId !== null) {
      body.storedTo = await this.storeReadings(systemId, figures, at).catch(async (error: unknown) => {
        // Refused is certain: nothing of it is stored. After any other error something may be.
        if (error instanceof Problem && error.type === READINGS_REFUSED) await this.repository.remove(id);
        throw error;
      });
      row.body = JSON.stringify(body);
      await this.repository.update(id, row.body);
    }
    return asAnalysis({ id, ...row });
  }

  async list(systemId: string, page: PageQuery): Promise<Analysis[]> {
    await this.systems.find(systemId);
    return (await this.repository.list(systemId, page)).map(asAnalysis);
  }

  /** JPEG. */
  async overlay(id: number): Promise<Buffer> {
    const overlay = await this.repository.findOverlay(id);
    if (!overlay) throw OVERLAY_NOT_FOUND.happened();
    return overlay;
  }

  private observationTime(observedAt: string | undefined): string {
    const now = this.clock.now();
    const time = observedAt === undefined ? now : Date.parse(observedAt);
    const wrong = refuseTime(time, now)?.refusal;
    if (wrong) throw refuseFields([wrong]);
    return isoTime(time);
  }

  private async storeReadings(systemId: string, figures: Figures, at: string): Promise<string[]> {
    if (figures.confidence < LEAST_CONFIDENCE) return [];
    // By quantity and device: by its name alone, a figure could end up in a probe that a grower has called so.
    const camera = await this.systems.ensureCamera(systemId);
    const readings = Object.entries({
      'canopy-cover': figures.canopyCover.value,
      greenness: figures.greenness.value,
      yellowing: figures.yellowing.value,
      browning: figures.browning.value,
    }).flatMap(([quantity, value]): Measured[] => {
      const sensor = camera.find((each) => each.quantity === quantity);
      return sensor && value !== null ? [{ sensor: sensor.id, value, observedAt: Date.parse(at) }] : [];
    });
    if (readings.length === 0) return [];
    const { results } = refuseIfAllRefused(await this.readings.ingest(systemId, readings));
    return readings
      .filter((_, index) => results[index]?.outcome !== 'refused')
      .map((reading) => reading.sensor);
  }
}

type Figures = Omit<VisionReply, 'overlay'>;
type AnalysisBody = Omit<Analysis, 'id' | 'systemId' | 'at' | 'overlayUrl'>;

const asAnalysis = ({ id, system_id, at, body }: AnalysisRow): Analysis => ({
  id,
  systemId: system_id,
  at: isoTime(at),
  ...(JSON.parse(body) as AnalysisBody),
  overlayUrl: `/v1/analyses/${id}/overlay`,
});
