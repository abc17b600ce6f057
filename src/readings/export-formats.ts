import { localIsoTime } from '../platform/local-time.js';
import { namesOf, qualityOf } from './quality.js';
import type { Values } from './series.repository.js';

export const EXPORT_FORMATS = ['csv', 'line-protocol'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportedSensor {
  id: string;
  quantity: string;
  unit: string;
}

export interface ExportedReading {
  observedAt: number;
  /** What was asked for; NaN where there is none. */
  figure: number;
  quality: number;
  reasons: number;
}

/** A way to write readings down. */
export interface Writer {
  mediaType: string;
  extension: string;
  values: Values;
  header: string;
  line(sensor: ExportedSensor, reading: ExportedReading, timeZone: string): string;
}

export const WRITERS: Record<ExportFormat, Writer> = {
  csv: {
    mediaType: 'text/csv; charset=utf-8; header=present',
    extension: 'csv',
    values: 'calibrated',
    // RFC 4180 ends every line so.
    header: 'time,sensor,quantity,unit,value,quality,reasons\r\n',
    line: ({ id, quantity, unit }, { observedAt, figure, quality, reasons }, timeZone) => {
      const value = Number.isNaN(figure) ? '' : figure;
      const why = namesOf(reasons).join(' ');
      const time = localIsoTime(observedAt, timeZone);
      return `${time},${quoted(id)},${quoted(quantity)},${quoted(unit)},${value},${qualityOf(quality)},${why}\r\n`;
    },
  },
  'line-protocol': {
    mediaType: 'text/plain; charset=utf-8',
    extension: 'lp',
    // Fed back, it is judged and calibrated again.
    values: 'raw',
    header: '',
    // Where a probe said that it failed there is no figure, and so no line.
    line: ({ id, quantity }, { observedAt, figure }) =>
      Number.isNaN(figure)
        ? ''
        : `${escaped(quantity)},sensor=${escaped(id)} value=${figure} ${observedAt}000000\n`,
  },
};

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const escaped = (text: string): string => text.replace(/[,= ]/g, '\\$&');
