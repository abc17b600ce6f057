import { Inject, Injectable } from '@nestjs/common';

import type { NumberReader } from '../platform/database/numbers.js';
import { NUMBER_READER } from './series.repository.js';

/** A reading as numbers, in this order; NaN is no figure. */
export const COLUMNS = ['observed_at', 'value', 'quality', 'raw', 'reasons'] as const;

/** What is read, made into text and handed to the network in one turn: some milliseconds of work. */
export const PAGE = 2_000;

@Injectable()
export class ExportRepository {
  constructor(@Inject(NUMBER_READER) private readonly reader: NumberReader) {}

  /** A sensor's next readings, oldest first. */
  page(sensorNumber: number, from: number, to: number): Promise<Float64Array> {
    const statement = `
      select ${COLUMNS.join(', ')} from readings
      where sensor_number = ?1 and observed_at >= ?2 and observed_at < ?3
      order by observed_at limit ${PAGE}`;
    return this.reader.numbers(statement, [sensorNumber, from, to]);
  }
}
