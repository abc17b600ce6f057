import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { pino } from 'pino';

import { Pool } from '../dist/brain/pool.js';
import { dispose, type Facts } from '../dist/control/interlocks.js';
import { readConfig } from '../dist/platform/config.js';
import { unionisedAmmoniaFraction } from '../dist/systems/equations.js';
import { judge } from '../dist/readings/quality.js';
import { rangesFor, SPECIES } from '../dist/systems/profiles.js';
import type { Scores } from './detection.ts';
import { type PondRow, PONDS, readPond } from './ponds.ts';

const ROOT = resolve(import.meta.dirname, '..');
const COMPARED = 300;

interface Proposal {
  outputs: { output: string; value: number | null }[];
}

/** What control may hear of a row: good values only, and un-ionised ammonia where all three are good. */
function known(row: PondRow): Facts['known'] {
  const value = (quantity: Parameters<typeof judge>[0]): number | undefined =>
    judge(quantity, row[quantity]?.figure ?? null).value ?? undefined;
  const [temperature, ph, total] = [value('water-temperature'), value('ph'), value('total-ammonia-nitrogen')];
  const hasAmmonia = temperature !== undefined && ph !== undefined && total !== undefined;
  const heard: Facts['known'] = {
    'water-temperature': temperature,
    'dissolved-oxygen': value('dissolved-oxygen'),
    ph,
    'un-ionised-ammonia': hasAmmonia
      ? Math.min(100, total * unionisedAmmoniaFraction(temperature, ph))
      : undefined,
  };
  return Object.fromEntries(Object.entries(heard).filter(([, heardValue]) => heardValue !== undefined));
}

export async function evaluateControl(data: string, python: string): Promise<Scores> {
  const command = { script: 'fuzzy_controller', python, scriptsDir: join(ROOT, 'python') };
  const pool = new Pool(command, readConfig({}).pools.fuzzy_controller!, pino({ level: 'silent' }));
  const ranges = rangesFor('channel-catfish');
  const noFeedBelowC = SPECIES['channel-catfish']?.noFeedBelowC ?? null;
  const rows: Scores['rows'] = [
    [
      '',
      'rows',
      'decided',
      'heater on, temperature unknown',
      'fed, oxygen unknown',
      'less than full air, oxygen unknown',
      'greatest difference from scikit-fuzzy',
    ],
  ];
  let ok = true;
  for (const pond of PONDS) {
    const cells = readPond(data, pond);
    if (!cells) continue;
    let [decided, heated, fed, starved] = [0, 0, 0, 0];
    const complete: Facts['known'][] = [];
    for (const row of cells) {
      const facts: Facts = { known: known(row), failed: [], ranges, noFeedBelowC };
      if (Object.keys(facts.known).length === 0) continue;
      decided += 1;
      const reply = (await pool.ask({ inputs: facts.known, ranges })).reply as Proposal;
      const proposed = (output: string): number | null =>
        reply.outputs.find((each) => each.output === output)?.value ?? null;
      const heater = dispose('heater', proposed('heating'), facts).percent;
      const feeder = dispose('feeder', proposed('feeding'), facts).percent;
      const air = dispose('air-pump', proposed('aeration'), facts).percent;
      if (facts.known['water-temperature'] === undefined && heater > 0) heated += 1;
      if (facts.known['dissolved-oxygen'] === undefined && feeder > 0) fed += 1;
      if (facts.known['dissolved-oxygen'] === undefined && air < 100) starved += 1;
      if (Object.keys(facts.known).length === 4) complete.push({ ...facts.known, 'water-level': 100 });
    }
    const sample = complete.filter((_, index) => index % Math.ceil(complete.length / COMPARED) === 0);
    const difference = await differenceFromScikitFuzzy(sample, pool, python);
    rows.push([
      `pond ${pond}`,
      cells.length,
      decided,
      heated,
      fed,
      starved,
      `${difference.toExponential(1)} (${sample.length} rows)`,
    ]);
    ok &&= heated === 0 && fed === 0 && starved === 0 && difference <= 1e-6;
  }
  await pool.close();
  return {
    ok,
    rows,
    notes: [
      'Compared are rows in which everything is good, on the default ranges and with a water level of 100 %, since the ponds recorded none.',
    ],
  };
}

async function differenceFromScikitFuzzy(
  sample: Facts['known'][],
  pool: Pool,
  python: string,
): Promise<number> {
  const { stdout, status } = spawnSync(python, ['-m', 'evaluate.control'], {
    cwd: join(ROOT, 'python'),
    input: JSON.stringify(sample),
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (status !== 0) return Infinity;
  const theirs = JSON.parse(stdout.toString()) as Record<string, number | null>[];
  let greatest = 0;
  for (const [index, inputs] of sample.entries()) {
    const { outputs } = (await pool.ask({ inputs })).reply as Proposal;
    for (const { output, value } of outputs) {
      const other = theirs[index]![output] ?? null;
      const difference =
        value === null || other === null ? Number(value !== other) * Infinity || 0 : Math.abs(value - other);
      greatest = Math.max(greatest, difference);
    }
  }
  return greatest;
}
