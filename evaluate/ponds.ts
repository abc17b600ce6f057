import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';

import { readCell } from '../tools/history/values.ts';

/** One row of a pond: what the cell of each quantity says; null where it says no figure. */
export type PondRow = Record<string, { blank: boolean; figure: number | null }>;

const COLUMNS: Record<string, string> = {
  TEMPERATURE: 'water-temperature',
  TURBIDITY: 'turbidity',
  'DISOLVED OXYGEN': 'dissolved-oxygen',
  pH: 'ph',
  AMMONIA: 'total-ammonia-nitrogen',
  NITRATE: 'nitrate',
};

export const POND_QUANTITIES = Object.values(COLUMNS);
export const PONDS = ['10', '11'];

export function readPond(data: string, pond: string): PondRow[] | undefined {
  const file = join(data, `ponds/IoTPond${pond}.csv`);
  if (!existsSync(file)) return undefined;
  const rows = parse<Record<string, string>>(readFileSync(file), { columns: true, bom: true });
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(COLUMNS).map(([column, quantity]) => {
        const cell = readCell(row[column] ?? '', false);
        return [
          quantity,
          { blank: cell.kind === 'blank', figure: cell.kind === 'number' ? cell.value : null },
        ];
      }),
    ),
  );
}
