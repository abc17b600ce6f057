/** One measured figure: its unit stands in its key. */
export interface Figure {
  key: string;
  value: number;
  /** What it means, for the table. */
  meaning: string;
  /** What was to be reached, where something was. */
  target?: { atLeast: number } | { atMost: number };
}

export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

export const median = (values: number[]): number => percentile(values, 0.5);

export const rounded = (value: number): number => Number(value.toPrecision(4));

function verdict({ value, target }: Figure): string {
  if (!target) return '';
  const [limit, isMet] =
    'atLeast' in target
      ? [`≥ ${target.atLeast}`, value >= target.atLeast]
      : [`≤ ${target.atMost}`, value <= target.atMost];
  return `${limit}  ${isMet ? 'reached' : 'NOT REACHED'}`;
}

export function printTable(figures: Figure[]): void {
  const rows = figures.map((figure) => [figure.key, String(figure.value), verdict(figure), figure.meaning]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const [key, value, target, meaning] of rows) {
    console.log(
      `${key!.padEnd(widths[0]!)}  ${value!.padStart(widths[1]!)}  ${target!.padEnd(widths[2]!)}  ${meaning}`,
    );
  }
}
