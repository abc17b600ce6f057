/**
 * What a cell says.
 * - number: a finite figure, as it stands there.
 * - failed: the probe or its program said that there is no figure (`inf`, `nan`); such a reading is posted without one.
 * - blank: nothing was measured, so there is nothing to post.
 * - unreadable: not a number in the form that was announced; it is not posted, so that a corrected file still can be.
 */
export type Cell =
  { kind: 'number'; value: number } | { kind: 'failed'; said: string } | { kind: 'blank' | 'unreadable' };

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NO_FIGURE = /^[+-]?(inf|infinity|nan)$/i;

export function readCell(text: string, decimalComma: boolean): Cell {
  const trimmed = text.trim();
  if (trimmed === '') return { kind: 'blank' };
  if (NO_FIGURE.test(trimmed)) return { kind: 'failed', said: trimmed.toLowerCase() };
  const figure = decimalComma ? trimmed.replace(',', '.') : trimmed;
  if (!NUMBER.test(figure)) return { kind: 'unreadable' };
  const value = Number(figure);
  return Number.isFinite(value) ? { kind: 'number', value } : { kind: 'failed', said: 'too large' };
}
