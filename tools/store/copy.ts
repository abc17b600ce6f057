import { createHash } from 'node:crypto';

import { listed, Obstacle } from '../history/obstacle.ts';
import { watchProgress } from '../progress.ts';
import type { Side, Table, Value } from './side.ts';

/** Tables before those that refer to them. */
export function parentsFirst(tables: Table[]): Table[] {
  const sorted: Table[] = [];
  const visit = (table: Table): void => {
    if (sorted.includes(table)) return;
    for (const other of tables) if (other !== table && table.parents.includes(other.name)) visit(other);
    sorted.push(table);
  };
  tables.forEach(visit);
  return sorted;
}

/** @throws Obstacle where the two are of different versions. */
export async function tablesOfBoth(source: Side, target: Side): Promise<Table[]> {
  const [theirs, ours] = [await source.migrations(), await target.migrations()];
  const unknown = theirs.filter((name) => !ours.includes(name));
  if (unknown.length > 0) {
    throw new Obstacle(
      `${source.name} is of a newer version (${listed(unknown)}): use that version's tools.`,
    );
  }
  const missing = ours.filter((name) => !theirs.includes(name));
  if (missing.length > 0) {
    throw new Obstacle(
      `${source.name} is of an older version: start the service on it once, which brings it up to date.`,
    );
  }
  const tables = parentsFirst(await target.tables());
  const shapes = new Map(
    (await source.tables()).map((table) => [table.name, table.columns.toSorted().join()]),
  );
  const different = tables.filter(({ name, columns }) => shapes.get(name) !== columns.toSorted().join());
  if (different.length > 0 || shapes.size !== tables.length) {
    throw new Obstacle(
      `${source.name} and ${target.name} have different tables (${listed(different.map(({ name }) => name))}).`,
    );
  }
  return tables;
}

/**
 * All rows, read back and compared before the end of the target's transaction, so that there is all of it or nothing.
 * @returns how many rows.
 */
export async function copyRows(source: Side, target: Side, tables: Table[]): Promise<number> {
  let total = 0;
  for (const table of tables) total += await source.count(table);
  const progress = await watchProgress(2 * total, 0, 'rows (each is written, and read back)');
  let done = 0;
  try {
    const sent = new Map<string, string>();
    for (const table of tables) {
      const digest = new RowsDigest();
      for await (const rows of source.rows(table)) {
        digest.add(rows);
        await target.write(table, rows);
        progress.at((done += rows.length));
      }
      sent.set(table.name, digest.end());
      const last = await source.lastNumber(table);
      if (last !== undefined) await target.raiseNumber(table, last);
    }
    for (const table of tables) {
      const digest = new RowsDigest();
      for await (const rows of target.rows(table)) {
        digest.add(rows);
        progress.at((done += rows.length));
      }
      if (digest.end() !== sent.get(table.name)) {
        throw new Obstacle(`What ${target.name} gives back of ${table.name} is not what was written.`);
      }
    }
  } finally {
    progress.end();
  }
  return total;
}

/** Of rows in their order, however they are grouped: the same from both stores where they hold the same. */
class RowsDigest {
  private readonly hash = createHash('sha256');
  private count = 0;

  add(rows: Value[][]): void {
    this.count += rows.length;
    const text = rows.map((row) => JSON.stringify(row, withBytes)).join('\n');
    this.hash.update(text).update('\n');
  }

  end(): string {
    return `${this.count} ${this.hash.digest('hex')}`;
  }
}

const withBytes = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? createHash('sha256').update(value).digest('hex') : value;
