import { Readable } from 'node:stream';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';

import { Clock } from '../platform/clock.js';
import type { SensorRow } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import { type ExportedReading, type Writer, WRITERS } from './export-formats.js';
import type { ExportQuery } from './export.dto.js';
import { COLUMNS, ExportRepository, PAGE } from './export.repository.js';
import { periodOf } from './period.js';
import type { Values } from './series.repository.js';
import { SeriesService, unitOf } from './series.service.js';

export interface Export {
  mediaType: string;
  fileName: string;
  content: Readable;
}

interface Job {
  sensors: SensorRow[];
  from: number;
  to: number;
  timeZone: string;
  writer: Writer;
  values: Values;
}

@Injectable()
export class ExportService implements OnModuleDestroy {
  private readonly underWay = new Set<Readable>();

  constructor(
    private readonly repository: ExportRepository,
    private readonly series: SeriesService,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
  ) {}

  /** Resolves when the first readings are at hand; fails where they cannot be had, so that there is an answer to fail. */
  async begin(systemId: string, query: ExportQuery): Promise<Export> {
    const { system } = await this.systems.ingestView(systemId);
    const writer = WRITERS[query.format];
    const job = {
      ...periodOf(query, this.clock.now()),
      sensors: await this.series.sensors(systemId, query.sensor),
      timeZone: query.timeZone ?? system.time_zone,
      writer,
      values: query.values ?? writer.values,
    };
    const pages = this.pages(job);
    const first = await pages.next();
    const content = Readable.from(
      (async function* () {
        yield writer.header;
        if (!first.done) yield first.value;
        yield* pages;
      })(),
      { objectMode: false },
    );
    this.underWay.add(content);
    content.once('close', () => this.underWay.delete(content));
    return { mediaType: writer.mediaType, fileName: `${systemId}.${writer.extension}`, content };
  }

  /** The service ends: whoever reads sees that it is not whole. */
  onModuleDestroy(): void {
    for (const content of this.underWay) content.destroy(new Error('the service ends'));
  }

  /** Sensor by sensor, each in the order of time; only as fast as somebody reads. */
  private async *pages({ sensors, from, to, timeZone, writer, values }: Job): AsyncGenerator<string> {
    for (const row of sensors) {
      const { number, id, quantity } = row;
      const sensor = { id, quantity, unit: unitOf(row, values) };
      let rows: Float64Array;
      let next = from;
      do {
        rows = await this.repository.page(number, next, to);
        let text = '';
        for (let place = 0; place < rows.length; place += COLUMNS.length) {
          text += writer.line(sensor, readingAt(rows, place, values), timeZone);
        }
        if (text !== '') yield text;
        next = (rows.at(-COLUMNS.length) ?? to) + 1;
      } while (rows.length === PAGE * COLUMNS.length);
    }
  }
}

const readingAt = (rows: Float64Array, place: number, values: Values): ExportedReading => ({
  observedAt: rows[place]!,
  figure: rows[place + (values === 'raw' ? 3 : 1)]!,
  quality: rows[place + 2]!,
  reasons: rows[place + 4]!,
});
