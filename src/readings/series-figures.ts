/** What is known of a stretch of a series: `sum` to `lastAt` are of good readings alone. */
export interface Figures {
  count: number;
  sum: number;
  min: number;
  max: number;
  last: number;
  lastAt: number;
  suspect: number;
  bad: number;
}

export const noFigures = (): Figures => ({
  count: 0,
  sum: 0,
  min: Infinity,
  max: -Infinity,
  last: NaN,
  lastAt: -Infinity,
  suspect: 0,
  bad: 0,
});

/** How many numbers stand for one stretch, in the order of the members above. */
export const FIGURES = 8;

/** Adds what stands at a place of a list of figures. */
export function add(into: Figures, list: Float64Array, place: number): void {
  into.suspect += list[place + 6]!;
  into.bad += list[place + 7]!;
  const count = list[place]!;
  if (count === 0) return;
  into.count += count;
  into.sum += list[place + 1]!;
  if (list[place + 2]! < into.min) into.min = list[place + 2]!;
  if (list[place + 3]! > into.max) into.max = list[place + 3]!;
  if (list[place + 5]! > into.lastAt) {
    into.last = list[place + 4]!;
    into.lastAt = list[place + 5]!;
  }
}
