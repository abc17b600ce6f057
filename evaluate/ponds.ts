import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';

import { placeTime, readTime, zoneNamed } from '../tools/history/times.ts';
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

function rowsOf(data: string, pond: string): Record<string, string>[] | undefined {
  const file = join(data, `ponds/IoTPond${pond}.csv`);
  return existsSync(file) ? parse(readFileSync(file), { columns: true, bom: true }) : undefined;
}

/** When each row was measured; where it has only a date, as the import places it: a second apart from midnight on. */
export function readPondTimes(data: string, pond: string): number[] {
  const zone = zoneNamed('CET');
  const rowsOfDate = new Map<number, number>();
  return (rowsOf(data, pond) ?? []).map((row) => {
    const placed = placeTime(readTime(row.created_at!)!, 'day/month', zone)!;
    if (placed.kind === 'instant') return placed.at;
    const before = rowsOfDate.get(placed.midnight) ?? 0;
    rowsOfDate.set(placed.midnight, before + 1);
    return zone(placed.midnight) + before * 1_000;
  });
}

export function readPond(data: string, pond: string): PondRow[] | undefined {
  return rowsOf(data, pond)?.map((row) =>
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
