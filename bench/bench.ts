/** `npm run bench -- NAME [--json]`: each benchmark measures ours and what a user would otherwise pick, in one run. */
import { parseArgs } from 'node:util';

import { benchBrain } from './brain.ts';
import { benchIngest } from './ingest.ts';
import { benchQuery } from './query.ts';
import { type Figure, printTable } from './report.ts';
import { benchSoak } from './soak.ts';

const BENCHMARKS: Record<string, () => Promise<Figure[]>> = {
  brain: benchBrain,
  ingest: benchIngest,
  query: benchQuery,
  soak: benchSoak,
};

const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } });
const name = positionals[0] ?? '';
const benchmark = BENCHMARKS[name];
if (!benchmark) {
  console.error(`There is no benchmark "${name}"; there are: ${Object.keys(BENCHMARKS).join(', ')}.`);
  process.exit(1);
}
const figures = await benchmark();
if (values.json)
  console.log(JSON.stringify(Object.fromEntries(figures.map(({ key, value }) => [key, value]))));
else printTable(figures);
