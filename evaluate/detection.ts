import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { judge } from '../dist/readings/quality.js';
import { type PondRow, PONDS, POND_QUANTITIES, readPond } from './ponds.ts';

export interface Scores {
  ok: boolean;
  rows: (string | number)[][];
  notes: string[];
}

type Quantity = Parameters<typeof judge>[0];

/** A fault whose cells somebody has counted: in pond 10, and in pond 11. */
interface KnownFault {
  name: string;
  quantity: string;
  known: [number, number];
  isFault: (figure: number | null) => boolean;
}

const KNOWN_FAULTS: KnownFault[] = [
  { name: 'temperature −127', quantity: 'water-temperature', known: [20, 34], isFault: (t) => t === -127 },
  {
    name: 'turbidity < 0',
    quantity: 'turbidity',
    known: [316, 29],
    isFault: (ntu) => ntu !== null && ntu < 0,
  },
  {
    name: 'pH < 0 or > 14',
    quantity: 'ph',
    known: [28, 33],
    isFault: (ph) => ph !== null && (ph < 0 || ph > 14),
  },
  {
    name: 'ammonia inf or blank',
    quantity: 'total-ammonia-nitrogen',
    known: [9, 1],
    isFault: (tan) => tan === null,
  },
  // Whoever counted these counted infinity among them: 58 finite cells and 9 of `inf` in pond 10.
  {
    name: 'ammonia > 100, inf too',
    quantity: 'total-ammonia-nitrogen',
    known: [67, 989],
    isFault: (tan) => tan === null || tan > 100,
  },
  { name: 'oxygen = 0', quantity: 'dissolved-oxygen', known: [338, 1490], isFault: (oxygen) => oxygen === 0 },
  {
    name: 'oxygen > 20',
    quantity: 'dissolved-oxygen',
    known: [6, 61],
    isFault: (oxygen) => oxygen !== null && oxygen > 20,
  },
];

const isUsable = (quantity: string, figure: number | null): boolean =>
  judge(quantity as Quantity, figure).quality === 'good';

export async function evaluateDetection(data: string): Promise<Scores> {
  const rows: Scores['rows'] = [['', 'known', 'found', 'caught']];
  let ok = true;
  const add = (name: string, known: number, found: number, caught: number): void => {
    rows.push([name, known, found, caught]);
    ok &&= caught === found;
  };
  PONDS.forEach((pond, index) => {
    const cells = readPond(data, pond);
    if (!cells) return void rows.push([`pond ${pond}: no data`, '', '', '']);
    for (const { name, quantity, known, isFault } of KNOWN_FAULTS) {
      // A blank cell is nothing that was reported; of those the count takes the ones it names.
      const faulty = cells.filter(
        (row) => isFault(row[quantity]!.figure) && (name.includes('blank') || !row[quantity]!.blank),
      );
      const caught = faulty.filter((row) => !isUsable(quantity, row[quantity]!.figure));
      add(`pond ${pond}: ${name}`, known[index]!, faulty.length, caught.length);
    }
    const lost = goodCells(cells).filter(([quantity, figure]) => !isUsable(quantity, figure)).length;
    rows.push([`pond ${pond}: good cells lost, of ${goodCells(cells).length}`, 0, lost, '']);
    ok &&= lost === 0;
  });
  addHydroponics(data, rows, add);
  return Promise.resolve({
    ok,
    rows,
    notes: [
      'Not scored yet: streams, nab and skab, which want a detector of anomalies inside the plausible range.',
    ],
  });
}

/** Those in which no known fault is. */
function goodCells(cells: PondRow[]): [quantity: string, figure: number][] {
  return cells.flatMap((row) =>
    POND_QUANTITIES.flatMap((quantity): [string, number][] => {
      const { figure } = row[quantity]!;
      const isFaulty = KNOWN_FAULTS.some((fault) => fault.quantity === quantity && fault.isFault(figure));
      return figure === null || isFaulty ? [] : [[quantity, figure]];
    }),
  );
}

const HYDROPONICS = {
  PT1000: 'water-temperature',
  EC: 'electrical-conductivity',
  DHT22_temperature: 'air-temperature',
  DHT22_humidity: 'relative-humidity',
  MH_Z19B: 'co2',
};
const KNOWN_SENTINELS = 326 + 153;

function addHydroponics(
  data: string,
  rows: Scores['rows'],
  add: (name: string, known: number, found: number, caught: number) => void,
): void {
  for (const [folder, quantity] of Object.entries(HYDROPONICS)) {
    const path = join(data, 'hydroponics', folder);
    if (!existsSync(path)) return void rows.push([`hydroponics: no data`, '', '', '']);
    const values = readdirSync(path)
      .filter((file) => file.endsWith('.json'))
      .flatMap((file) => JSON.parse(readFileSync(join(path, file), 'utf8')) as { value: number | null }[])
      .map(({ value }) => value);
    const sentinels: (number | null)[] =
      quantity === 'water-temperature' ? values.filter((value) => value === 255) : [];
    if (sentinels.length > 0) {
      const caught = sentinels.filter((value) => !isUsable(quantity, value));
      add(`hydroponics ${folder}: 255`, KNOWN_SENTINELS, sentinels.length, caught.length);
    }
    const others = values.filter((value) => !sentinels.includes(value));
    const alarms = others.filter((value) => !isUsable(quantity, value));
    rows.push([`hydroponics ${folder}: others flagged, of ${others.length}`, 0, alarms.length, '']);
  }
}
