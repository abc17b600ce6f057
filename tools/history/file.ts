import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { parse } from 'csv-parse';

import { Obstacle } from './obstacle.ts';

export interface Row {
  cells: string[];
  /** In the file, from 1. */
  line: number;
}

/** What is kept of a file while it is read: its parts come and go. */
type Watcher = (chunk: Buffer) => void;

const HEAD_BYTES = 65_536;
const LONGEST_ROW = 1_000_000;

/**
 * The rows of a CSV file, its header first, one at a time.
 * @param endByte where to stop, for a file that is being written to.
 * @throws Obstacle where the file cannot be read, or is no CSV.
 */
export async function* rowsOf(
  path: string,
  { endByte = Infinity, watch }: { endByte?: number; watch?: Watcher } = {},
) {
  const delimiter = await delimiterOf(path);
  const source = createReadStream(path, { end: endByte - 1 });
  if (watch) source.on('data', (chunk) => watch(chunk as Buffer));
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: LONGEST_ROW,
  });
  // Its callback is not needed: an error of either stream surfaces in the loop.
  pipeline(source, parser, () => {});
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      yield { cells: record, line: info.lines } satisfies Row;
    }
  } catch (error) {
    throw new Obstacle(`${path} cannot be read to its end: ${(error as Error).message}.`);
  }
}

/** @throws Obstacle where there is no header. */
export async function headerOf(path: string): Promise<string[]> {
  for await (const { cells } of rowsOf(path)) return cells;
  throw new Obstacle(`${path} is empty: its first line must name the columns.`);
}

/** Comma, semicolon or tab: whichever stands most often in the first line. */
async function delimiterOf(path: string): Promise<string> {
  let head: string;
  try {
    const file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES)).finally(() => file.close());
    head = buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Obstacle(code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read (${code}).`);
  }
  const firstLine = head.trimStart().split(/[\r\n]/, 1)[0]!;
  const timesIn = (delimiter: string) => firstLine.split(delimiter).length - 1;
  return [',', ';', '\t'].reduce((best, delimiter) =>
    timesIn(delimiter) > timesIn(best) ? delimiter : best,
  );
}
