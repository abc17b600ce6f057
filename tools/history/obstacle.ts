/** Something that the person at the terminal can mend: one plain sentence with the remedy. */
export class Obstacle extends Error {}

/** For a sentence: `a, b and c`. */
export function listed(names: string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
