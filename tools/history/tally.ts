/** What became of a cell. */
export const FATES = [
  'stored good',
  'stored suspect',
  'stored bad',
  'duplicate',
  'refused',
  'not posted',
] as const;
export type Fate = (typeof FATES)[number];

interface Counted {
  count: number;
  /** Where it stood first, for what the person may want to look up. */
  example?: string;
}

/** What became of every row and cell so far. Plain data, so that it can be kept and taken up again. */
export interface Tally {
  rows: number;
  rowsWithOnlyDate: number;
  /** By reason. */
  refusedRows: Record<string, Counted>;
  /** By sensor, fate and reason. */
  cells: Record<string, Partial<Record<Fate, Record<string, Counted>>>>;
}

export const emptyTally = (sensors: string[]): Tally => ({
  rows: 0,
  rowsWithOnlyDate: 0,
  refusedRows: {},
  cells: Object.fromEntries(sensors.map((sensor) => [sensor, {}])),
});

export function countCell(tally: Tally, sensor: string, fate: Fate, why: string, example?: string): void {
  count(((tally.cells[sensor] ??= {})[fate] ??= {}), why, example);
}

export function countRefusedRow(tally: Tally, why: string, example: string): void {
  count(tally.refusedRows, why, example);
}

function count(counts: Record<string, Counted>, why: string, example?: string): void {
  const counted = (counts[why] ??= { count: 0, ...(example !== undefined && { example }) });
  counted.count += 1;
}

export function cellsOf(tally: Tally, sensor: string, fate: Fate): number {
  return Object.values(tally.cells[sensor]?.[fate] ?? {}).reduce((sum, { count }) => sum + count, 0);
}

/** The numbers of a tally as aligned text: by sensor and fate, then the reasons. */
export function tableOf(tally: Tally): string {
  const sensors = Object.keys(tally.cells);
  const counts = sensors.map((sensor) => FATES.map((fate) => cellsOf(tally, sensor, fate)));
  const totals = FATES.map((_, column) => counts.reduce((sum, row) => sum + row[column]!, 0));
  const fates = aligned([
    ['sensor', ...FATES],
    ...sensors.map((sensor, index) => [sensor, ...counts[index]!.map(String)]),
    ['all', ...totals.map(String)],
  ]);
  const reasons = sensors.flatMap((sensor) => reasonsOf(tally, sensor));
  if (reasons.length === 0) return fates;
  return `${fates}\n\n${aligned([['sensor', 'cells', 'why'], ...reasons], [1])}`;
}

function reasonsOf(tally: Tally, sensor: string): string[][] {
  return FATES.flatMap((fate) =>
    Object.entries(tally.cells[sensor]?.[fate] ?? {})
      .filter(([why]) => why !== '')
      .map(([why, { count, example }]) => [
        sensor,
        String(count),
        `${fate}: ${why}${example === undefined ? '' : ` (first: ${example})`}`,
      ]),
  );
}

/** @param right columns that are set flush right; every column but the first unless told. */
export function aligned(rows: string[][], right?: number[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isRight = (column: number): boolean => (right ? right.includes(column) : column > 0);
  const set = (cell: string, column: number): string =>
    isRight(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return rows.map((row) => row.map(set).join('  ').trimEnd()).join('\n');
}
