import { Inject, Injectable } from '@nestjs/common';
import type { Kysely } from 'kysely';

import { DATABASE } from '../platform/database/database.module.js';
import { kindOf } from '../platform/database/kind.js';
import type { NumberReader } from '../platform/database/numbers.js';
import type { ReadingRow, QualityCode } from './readings.schema.js';
import { NUMBER_READER } from './series.repository.js';

/** What was observed longer than this before it arrived is history, and not news. */
export const LIVE_MS = 15 * 60_000;

const NUMBERS_IN = {
  sqlite: 'select value from json_each(?1)',
  postgres: 'select value::int from json_array_elements_text(?1::json)',
};

const COLUMNS = 7;

@Injectable()
export class LiveRepository {
  private readonly statement: string;

  constructor(
    @Inject(DATABASE) database: Kysely<unknown>,
    @Inject(NUMBER_READER) private readonly reader: NumberReader,
  ) {
    this.statement = `
      select sensor_number, observed_at, value, quality, raw, reasons, received_at from readings
      where sensor_number in (${NUMBERS_IN[kindOf(database)]}) and observed_at >= ?2 and received_at >= ?2 + ${LIVE_MS}
        and observed_at >= received_at - ${LIVE_MS}
      order by received_at, observed_at limit ?3`;
  }

  /** What has been committed since then and was news when it was, in the order of commits; at most so many. */
  async since(receivedAt: number, sensorNumbers: number[], most: number): Promise<ReadingRow[]> {
    const list = JSON.stringify(sensorNumbers);
    const found = await this.reader.numbers(this.statement, [list, receivedAt - LIVE_MS, most]);
    const rows: ReadingRow[] = [];
    for (let place = 0; place < found.length; place += COLUMNS) {
      rows.push({
        sensor_number: found[place]!,
        observed_at: found[place + 1]!,
        value: figure(found[place + 2]!),
        quality: found[place + 3]! as QualityCode,
        raw: figure(found[place + 4]!),
        reasons: found[place + 5]!,
        received_at: found[place + 6]!,
      });
    }
    return rows;
  }
}

const figure = (number: number): number | null => (Number.isNaN(number) ? null : number);
