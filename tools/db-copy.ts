/** `npm run db:copy`: copies a store into an empty one, of the same kind or the other. docs/STORAGE.md says when. */
import { parseArgs } from 'node:util';

import { Obstacle } from './history/obstacle.ts';
import { copyRows, tablesOfBoth } from './store/copy.ts';
import { openToRead, openToWrite, placeOf, run, say } from './store/open.ts';

const HELP = `Copies everything that a store holds into an empty store, and reads it back.

  npm run db:copy -- --from sqlite:data/aquaponia.db --to postgresql://user:password@host:5432/database

  --from STORE   sqlite:FILE, or a URL of PostgreSQL
  --to STORE     the same; a file or tables that are not there are made

The service may run on the first, and what is stored after the copy has begun is not in it. It must not run on the second.
DATABASE_CA_CERT holds for both.`;

await run(async () => {
  const { from, to, help } = parse(process.argv.slice(2));
  if (help) return void process.stdout.write(`${HELP}\n`);
  if (!from || !to) throw new Obstacle('--from and --to name the two stores; --help tells how.');
  const source = await openToRead(placeOf(from));
  try {
    const target = await openToWrite(placeOf(to));
    try {
      const tables = await tablesOfBoth(source, target);
      for (const table of tables) {
        const count = await target.count(table);
        if (count > 0) throw new Obstacle(`${target.name} is not empty: ${table.name} has ${count} rows.`);
      }
      const rows = await copyRows(source, target, tables);
      await target.commit();
      say(`${rows} rows in ${tables.length} tables are copied, and the same when read back: ${target.name}`);
    } finally {
      await target.rollback();
    }
  } finally {
    await source.rollback();
  }
});

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: { from: { type: 'string' }, to: { type: 'string' }, help: { type: 'boolean' } },
    }).values;
  } catch (error) {
    throw new Obstacle(`${(error as Error).message}; --help lists the options.`);
  }
}
