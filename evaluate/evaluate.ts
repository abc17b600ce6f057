/** `npm run evaluate`: scores vision, control and detection on real recordings that are no part of the project. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { evaluateControl } from './control.ts';
import { evaluateDetection } from './detection.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PYTHON = join(ROOT, '.venv/bin/python');
const data = resolve(process.env.AQUAPONIA_DATA ?? join(ROOT, '../shared/data'));

if (!existsSync(data)) {
  console.log('There is no data: set AQUAPONIA_DATA to its folder. Nothing was scored.');
  process.exit(0);
}

/** Column after column, as wide as it has to be. */
function print(title: string, rows: (string | number)[][]): void {
  console.log(`\n${title}`);
  const cells = rows.map((row) => row.map(String));
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  for (const row of cells) {
    console.log(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  '),
    );
  }
}

console.log('Vision');
const vision = spawnSync(PYTHON, ['-m', 'evaluate.vision'], {
  cwd: join(ROOT, 'python'),
  env: { ...process.env, AQUAPONIA_DATA: data },
  stdio: 'inherit',
});

const detection = await evaluateDetection(data);
print(
  'Detection: faulty cells, and those of them that the quality gate lets no value out of',
  detection.rows,
);
if (detection.others) print('Cells in which nobody knows a fault', detection.others);
for (const note of detection.notes) console.log(note);

const control = await evaluateControl(data, PYTHON);
print('Control: each row of the ponds through the gate, the controller and the interlocks', control.rows);
for (const note of control.notes) console.log(note);

process.exit(vision.status === 0 && detection.ok && control.ok ? 0 : 1);
