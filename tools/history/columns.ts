import { listed, Obstacle } from './obstacle.ts';

/** One `--map` pair: a column, under any of the names that it goes by, and the sensor that its cells belong to. */
export interface Mapping {
  names: string[];
  sensor: string;
}

export interface MappedColumn {
  /** Its place in a row. */
  index: number;
  name: string;
  sensor: string;
}

export interface Columns {
  /** How many the header has. */
  count: number;
  time: { index: number; name: string };
  mapped: MappedColumn[];
  ignored: string[];
}

/** `column=sensor`: what follows the last equals sign before a comma is a sensor, so a column may hold a comma. */
const PAIR = /^(.+?)=\s*([a-z0-9][a-z0-9-]{0,62})\s*(?:,|$)/;
const TIME_NAMES = ['time', 'timestamp', 'datetime', 'date', 'created_at', 'datestamp', 'observedat'];

const plain = (name: string): string => name.trim().toLowerCase();

/** @throws Obstacle where a text is no list of `column=sensor` pairs, or a sensor would be fed twice. */
export function parseMap(texts: string[]): Mapping[] {
  const mappings = texts.flatMap(pairsOf);
  if (mappings.length === 0) {
    throw new Obstacle('Nothing is mapped: say which column is which sensor, as in --map "pH=ph".');
  }
  for (const { sensor } of mappings) {
    if (mappings.filter((mapping) => mapping.sensor === sensor).length > 1) {
      throw new Obstacle(
        `The sensor ${sensor} is mapped twice: where its column goes by several names, write --map "one name|another=${sensor}".`,
      );
    }
  }
  return mappings;
}

function pairsOf(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const found = PAIR.exec(rest);
    const names = found?.[1]!.split('|').map((name) => name.trim()) ?? [];
    if (!found || names.includes('')) {
      throw new Obstacle(
        `--map takes column=sensor pairs, as in "pH=ph,TEMPERATURE=water-temperature", not "${rest}".`,
      );
    }
    mappings.push({ names, sensor: found[2]! });
    rest = rest.slice(found[0].length).trim();
  }
  return mappings;
}

/**
 * Finds the mapped columns and the column of times in a header; letter case and spaces around a name do not count.
 * @param timeName without it, the first column that is named as such columns usually are.
 * @throws Obstacle where a column is missing, or more than one would do.
 */
export function chooseColumns(header: string[], mappings: Mapping[], timeName?: string): Columns {
  const time = timeName === undefined ? detectTime(header) : theOne(header, [timeName]);
  const mapped = mappings.map(({ names, sensor }) => {
    const index = theOne(header, names);
    return { index, name: header[index]!.trim(), sensor };
  });
  const used = new Set([time, ...mapped.map((column) => column.index)]);
  return {
    count: header.length,
    time: { index: time, name: header[time]!.trim() },
    mapped,
    ignored: header.filter((_, index) => !used.has(index)).map((name) => name.trim()),
  };
}

function detectTime(header: string[]): number {
  const index = header.findIndex((name) => TIME_NAMES.includes(plain(name)));
  if (index < 0)
    throw new Obstacle(`No column is named like a time: name it with --time; the file has ${all(header)}.`);
  return index;
}

function theOne(header: string[], names: string[]): number {
  const wanted = names.map(plain);
  const found = header.flatMap((name, index) => (wanted.includes(plain(name)) ? [index] : []));
  if (found.length === 1) return found[0]!;
  const sought = names.map((name) => `"${name}"`).join(' or ');
  throw new Obstacle(
    found.length === 0
      ? `There is no column ${sought}; the file has ${all(header)}.`
      : `${found.length} columns would do for ${sought}: give them names of their own in the file's first line.`,
  );
}

const all = (header: string[]): string => listed(header.map((name) => `"${name.trim()}"`));
