/** `npm run backup`: writes the running service's store into one file. docs/STORAGE.md tells how. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { Obstacle } from './history/obstacle.ts';
import { watchProgress } from './progress.ts';
import { copyRows, tablesOfBoth } from './store/copy.ts';
import {
  bringUpToDate,
  openToRead,
  ownPlace,
  type Place,
  requireStore,
  requireWhole,
  run,
  say,
} from './store/open.ts';
import { SqliteSide } from './store/sqlite-side.ts';

const HELP = `Writes all that the service keeps into one file, as it is at this moment, and reads it back.

  npm run backup -- FILE

The service may run. The store is the one that DATABASE_URL or AQUAPONIA_DATA_DIR names, as for the service itself; the
file is a SQLite database either way. It holds webhook secrets in the clear: keep it to yourself.`;

await run(async () => {
  const [name, ...more] = process.argv.slice(2);
  if (name === '--help') return void process.stdout.write(`${HELP}\n`);
  if (!name || more.length > 0 || name.startsWith('-'))
    throw new Obstacle('Name one file; --help tells how.');
  const file = resolve(name);
  if (existsSync(file)) throw new Obstacle(`${file} is there already: name another file.`);
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  try {
    const place = ownPlace();
    const rows = 'file' in place ? await copyPages(place.file, partial) : await copyFrom(place, partial);
    makeOneFile(partial);
    requireWhole(partial);
    const written = new SqliteSide(partial, { readOnly: true });
    const found = await countRows(written);
    await written.rollback();
    if (found !== rows) throw new Obstacle(`The backup has ${found} rows, and the store had ${rows}.`);
    renameSync(partial, file);
    sync(dirname(file));
    say(`${rows} rows are in ${file}, whole when read back.`);
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(partial + end, { force: true });
  }
});

/** @returns how many rows the store had at that moment. */
async function copyPages(from: string, to: string): Promise<number> {
  requireStore(from);
  const source = new SqliteSide(from, { readOnly: true });
  const rows = await countRows(source);
  const progress = await watchProgress(100, 0, '% of the pages');
  await source.copyPages(to, (pages, of) => progress.at(Math.floor((100 * pages) / of)));
  progress.end();
  await source.rollback();
  return rows;
}

async function copyFrom(place: Place, to: string): Promise<number> {
  const source = await openToRead(place);
  try {
    await bringUpToDate(to);
    const target = new SqliteSide(to);
    try {
      const rows = await copyRows(source, target, await tablesOfBoth(source, target));
      await target.commit();
      return rows;
    } finally {
      await target.rollback();
    }
  } finally {
    await source.rollback();
  }
}

async function countRows(side: SqliteSide): Promise<number> {
  let rows = 0;
  for (const table of await side.tables()) rows += await side.count(table);
  return rows;
}

/** Without the companions that SQLite keeps beside a database in use; on the disk before anybody is told. */
function makeOneFile(file: string): void {
  const database = new DatabaseSync(file);
  database.exec('pragma journal_mode = delete');
  database.close();
  sync(file);
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}
