/**
 * `npm run import`: posts the readings of a CSV file to a running service, and goes on where it stopped.
 * docs/IMPORT.md tells a grower how.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { QUANTITY_NAMES } from '../src/systems/quantities.ts';
import { Checkpoint } from './history/checkpoint.ts';
import { chooseColumns, type Columns, type Mapping, parseMap } from './history/columns.ts';
import { Farm, type FarmSystem, Interrupted, type PostedReading, type Verdict } from './history/farm.ts';
import { headerOf, type Row, rowsOf } from './history/file.ts';
import { listed, Obstacle } from './history/obstacle.ts';
import { spoken, type Survey, survey } from './history/survey.ts';
import { aligned, countCell, countRefusedRow, emptyTally, type Tally, tableOf } from './history/tally.ts';
import { type DateOrder, DateRanks, placeTime, readTime, type Zone, zoneNamed } from './history/times.ts';
import { readCell } from './history/values.ts';
import { watchProgress } from './progress.ts';

const HELP = `Posts the readings of a CSV file to a running Aquaponia, and goes on where it stopped.

  npm run import -- FILE.csv --system greenhouse --map "TEMPERATURE=water-temperature,pH=ph"

  --system ID        the system that the readings belong to
  --map PAIRS        column=sensor, separated by commas or by giving --map again;
                     a column that goes by two names: "Length|Lenght=fish-length"
  --create-sensors   make mapped sensors that the system lacks, where they are called as a quantity is
  --time COLUMN      the column of times (otherwise found by its name, such as time or created_at)
  --zone ZONE        of times that name none: UTC (unless told), CET, +01:00, Europe/Berlin
  --dates ORDER      day/month or month/day, where the file leaves open how 5/12/2021 is meant
  --decimal-comma    1,5 means one and a half
  --url URL          of the service (otherwise http://localhost:3000)
  --patience SECONDS how long to keep trying while the service is away or busy (otherwise 30)
  --restart          begin with the first row again, wherever the last run stopped
  --help

The key is taken from the environment variable AQUAPONIA_KEY: a device key of the system, or an operator's.`;

const BATCH_READINGS = 1_000;
/** As a shell reports a process that Ctrl-C ended. */
const INTERRUPTED_EXIT = 130;
/** What sensors that an import makes hang on. */
const IMPORT_DEVICE = { id: 'import', name: 'Imported history' };

interface Options {
  file: string;
  systemId: string;
  mappings: Mapping[];
  createSensors: boolean;
  timeColumn: string | undefined;
  zoneName: string;
  zone: Zone;
  order: DateOrder | undefined;
  decimalComma: boolean;
  url: string;
  patienceMs: number;
  restart: boolean;
  key: string;
}

/** Everything that stays the same from the first batch to the last. */
interface Import {
  options: Options;
  columns: Columns;
  survey: Survey;
  farm: Farm;
  checkpoint: Checkpoint;
  interrupt: AbortSignal;
}

/** Readings on their way. */
interface Batch {
  readings: PostedReading[];
  /** In place of a figure, what the cell said; by place in `readings`. */
  said: Map<number, string>;
}

const say = (sentence: string): void => void process.stderr.write(`${sentence}\n`);

/** @returns undefined where help was asked for. @throws Obstacle naming the option that is wrong. */
function readOptions(args: string[], environment: NodeJS.ProcessEnv): Options | undefined {
  const { values, positionals } = parse(args);
  if (values.help) return undefined;
  if (positionals.length !== 1) throw new Obstacle('Name one CSV file; --help shows how.');
  if (!values.system) throw new Obstacle('Say which system the readings belong to: --system ID.');
  if (!/^[a-z0-9-]{1,63}$/.test(values.system)) {
    throw new Obstacle(`--system takes the id of a system, such as greenhouse, not "${values.system}".`);
  }
  const order = values.dates;
  if (order !== undefined && order !== 'day/month' && order !== 'month/day') {
    throw new Obstacle(`--dates takes day/month or month/day, not "${order}".`);
  }
  const patience = Number(values.patience);
  if (!(patience >= 0)) throw new Obstacle(`--patience takes a number of seconds, not "${values.patience}".`);
  const key = environment.AQUAPONIA_KEY?.trim() ?? '';
  if (!/^[\x21-\x7e]*$/.test(key)) throw new Obstacle('AQUAPONIA_KEY holds characters that no key has.');
  return {
    // npm runs its scripts in the project's folder, and says where it was called.
    file: resolve(environment.INIT_CWD ?? '.', positionals[0]!),
    systemId: values.system,
    mappings: parseMap(values.map),
    createSensors: values['create-sensors'],
    timeColumn: values.time,
    zoneName: values.zone,
    zone: zoneNamed(values.zone),
    order,
    decimalComma: values['decimal-comma'],
    url: readUrl(values.url),
    patienceMs: 1000 * patience,
    restart: values.restart,
    key,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        system: { type: 'string' },
        map: { type: 'string', multiple: true, default: [] },
        'create-sensors': { type: 'boolean', default: false },
        time: { type: 'string' },
        zone: { type: 'string', default: 'UTC' },
        dates: { type: 'string' },
        'decimal-comma': { type: 'boolean', default: false },
        url: { type: 'string', default: 'http://localhost:3000' },
        patience: { type: 'string', default: '30' },
        restart: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new Obstacle(
      `${(error as Error).message.replace(/\.? To specify.*$/s, '')}; --help lists the options.`,
    );
  }
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new Obstacle(`--url takes an address such as http://localhost:3000, without a key or password.`);
  }
  return url.href.replace(/\/+$/, '');
}

/** Sees to it that the system has every mapped sensor. @throws Obstacle where it has not and none may be made. */
async function ensureSensors(
  farm: Farm,
  system: FarmSystem,
  { mappings, createSensors }: Options,
): Promise<void> {
  const existing = system.sensors.map((sensor) => sensor.id);
  const missing = mappings.map(({ sensor }) => sensor).filter((sensor) => !existing.includes(sensor));
  if (missing.length === 0) return;
  const nameless = missing.filter((sensor) => !(QUANTITY_NAMES as string[]).includes(sensor));
  if (!createSensors || nameless.length > 0) {
    const remedy =
      nameless.length > 0
        ? `make ${listed(nameless)} with POST /v1/systems/${system.id}/sensors`
        : 'add --create-sensors to have them made';
    throw new Obstacle(
      `The system ${system.id} has no sensor ${listed(missing)}: ${remedy}; it has ${listed(existing) || 'none'}.`,
    );
  }
  if (!system.devices.some((device) => device.id === IMPORT_DEVICE.id))
    await farm.addDevice(system.id, IMPORT_DEVICE);
  for (const id of missing) {
    await farm.addSensor(system.id, { id, deviceId: IMPORT_DEVICE.id, quantity: id, place: 'imported' });
  }
  say(`Made the sensors ${listed(missing)} on the device ${IMPORT_DEVICE.id}.`);
}

/**
 * Posts the rows that the tally does not cover yet, batch by batch, and counts them in it. The checkpoint that it saves
 * covers acknowledged rows only.
 */
async function postRows(run: Import, tally: Tally, progress: (rows: number) => void): Promise<void> {
  const { options, columns, survey: found, farm, checkpoint, interrupt } = run;
  const postedBefore = tally.rows;
  const ranks = new DateRanks(found.rowsPerDate, options.zone);
  let batch: Batch = { readings: [], said: new Map() };
  const flush = async (): Promise<void> => {
    if (batch.readings.length > 0)
      countVerdicts(tally, batch, await farm.post(options.systemId, batch.readings));
    batch = { readings: [], said: new Map() };
    checkpoint.save(tally);
    progress(tally.rows);
  };
  let number = -1;
  for await (const row of rowsOf(options.file, { endByte: found.bytes })) {
    number += 1;
    if (number === 0) continue;
    const time = timeOf(row, run, ranks);
    if (number <= postedBefore) continue;
    if (batch.readings.length > 0 && batch.readings.length + columns.mapped.length > BATCH_READINGS) {
      await flush();
      if (interrupt.aborted) throw new Interrupted();
    }
    takeRow(tally, batch, row, time, run);
  }
  await flush();
}

type RowTime = { at: number; isOnlyDate: boolean } | { refused: string; text: string };

/** Of each row, those that are posted already among them, because rows of one date are told apart by counting. */
function timeOf({ cells }: Row, { options, columns, survey: found }: Import, ranks: DateRanks): RowTime {
  const text = (cells[columns.time.index] ?? '').trim();
  const written = readTime(text);
  const placed = written && placeTime(written, found.order, options.zone);
  if (!placed) return { refused: 'the time cannot be read', text };
  if (placed.kind === 'instant') return { at: placed.at, isOnlyDate: false };
  return { at: ranks.next(placed.midnight), isOnlyDate: true };
}

function takeRow(
  tally: Tally,
  batch: Batch,
  { cells, line }: Row,
  time: RowTime,
  { options, columns }: Import,
): void {
  tally.rows += 1;
  if ('refused' in time) return countRefusedRow(tally, time.refused, `line ${line}, "${time.text}"`);
  // In a row of another length, a cell may stand in another's column. Separators at the end of a line are harmless.
  if (cells.length < columns.count || cells.slice(columns.count).some((cell) => cell.trim() !== '')) {
    return countRefusedRow(
      tally,
      `other than the ${columns.count} cells of the first line`,
      `line ${line}, ${cells.length}`,
    );
  }
  if (time.isOnlyDate) tally.rowsWithOnlyDate += 1;
  const observedAt = new Date(time.at).toISOString();
  for (const { index, sensor } of columns.mapped) {
    const cell = readCell(cells[index]!, options.decimalComma);
    if (cell.kind === 'blank') countCell(tally, sensor, 'not posted', 'blank');
    else if (cell.kind === 'unreadable') {
      countCell(tally, sensor, 'not posted', 'not a number', `line ${line}, "${cells[index]!.trim()}"`);
    } else {
      if (cell.kind === 'failed') batch.said.set(batch.readings.length, cell.said);
      batch.readings.push({ sensor, value: cell.kind === 'number' ? cell.value : null, observedAt });
    }
  }
}

function countVerdicts(tally: Tally, { readings, said }: Batch, verdicts: Verdict[]): void {
  verdicts.forEach(({ outcome, quality, reasons = [], error }, index) => {
    const { sensor, observedAt } = readings[index]!;
    const note = said.has(index) ? ` (${said.get(index)})` : '';
    if (outcome === 'duplicate') countCell(tally, sensor, 'duplicate', '');
    else if (outcome === 'refused')
      countCell(tally, sensor, 'refused', error?.code ?? 'no reason given', observedAt);
    else if (quality === 'good') countCell(tally, sensor, 'stored good', '');
    else {
      const fate = quality === 'suspect' ? 'stored suspect' : 'stored bad';
      countCell(tally, sensor, fate, `${reasons.join(', ') || (quality ?? 'unknown')}${note}`);
    }
  });
}

function introduce({ options, columns, survey: found }: Import): void {
  say(`${options.file}: ${found.rows} rows for the system ${options.systemId} at ${options.url}`);
  say(
    aligned(
      columns.mapped.map(({ name, sensor }) => [`  ${name}`, `→ ${sensor}`]),
      [],
    ),
  );
  say(`Times are read from ${columns.time.name}; where they name no zone, as ${options.zoneName}.`);
  if (found.orderBecause) say(`Dates are read as ${spoken(found.order)}: ${found.orderBecause}.`);
}

/** The end of an import: what became of each cell, and what a person should know of the rows. */
function reportOf({ options, columns, survey: found }: Import, tally: Tally): string {
  const refused = Object.entries(tally.refusedRows).map(
    ([why, { count, example }]) => `${count}: ${why} (first: ${example})`,
  );
  const { backwards } = found;
  const notes = [
    ['rows', String(tally.rows)],
    ['rows refused', refused.join('; ') || 'none'],
    [
      'rows with only a date',
      tally.rowsWithOnlyDate === 0
        ? 'none'
        : `${tally.rowsWithOnlyDate}: in their order in the file, one second apart from midnight (${options.zoneName}) on; the times of day are not measured`,
    ],
    [
      'rows before their predecessor',
      backwards.rows === 0
        ? 'none'
        : `${backwards.rows}, the first on line ${backwards.firstLine}: are these times right?`,
    ],
    ['ignored columns', columns.ignored.join(', ') || 'none'],
  ];
  return `\n${tableOf(tally)}\n\n${aligned(notes, [])}`;
}

function checkpointOf(options: Options, columns: Columns, found: Survey, system: FarmSystem): Checkpoint {
  const { url, systemId, zoneName, decimalComma } = options;
  const { digest, order } = found;
  // A system that was made anew under its old name begins anew too.
  const target = [url, systemId, system.createdAt];
  return new Checkpoint({
    digest,
    target,
    mapped: columns.mapped,
    time: columns.time,
    zoneName,
    order,
    decimalComma,
  });
}

/** @returns the exit code. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (!options) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const interruption = new AbortController();
  // The first Ctrl-C lets the batch under way be acknowledged; the second ends the process as usual.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort());
  const { url, key, patienceMs } = options;
  const farm = new Farm({ url, key, patienceMs, interrupt: interruption.signal, say });

  const columns = chooseColumns(await headerOf(options.file), options.mappings, options.timeColumn);
  const system = await farm.describe(options.systemId);
  const found = await survey(options.file, columns.time.index, options.zone, options.order);
  await ensureSensors(farm, system, options);
  const checkpoint = checkpointOf(options, columns, found, system);
  const run: Import = { options, columns, survey: found, farm, checkpoint, interrupt: interruption.signal };
  introduce(run);

  if (options.restart) checkpoint.remove();
  const kept = checkpoint.load();
  if (kept) say(`Going on after row ${kept.rows}, where the last run stopped.`);
  const tally = kept ?? emptyTally(columns.mapped.map(({ sensor }) => sensor));
  let acknowledged = tally.rows;
  const progress = await watchProgress(found.rows, acknowledged, 'rows');
  const onward = (): string =>
    `${acknowledged} of ${found.rows} rows are in: run the same command again to go on from there (${checkpoint.path}).`;
  try {
    await postRows(run, tally, (rows) => progress.at((acknowledged = rows)));
  } catch (error) {
    progress.end();
    if (error instanceof Interrupted) {
      say(`Stopped. ${onward()}`);
      return INTERRUPTED_EXIT;
    }
    if (error instanceof Obstacle) throw new Obstacle(`${error.message} ${onward()}`);
    throw error;
  }
  progress.end();
  process.stdout.write(`${reportOf(run, tally)}\n`);
  checkpoint.remove();
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof Interrupted) process.exitCode = INTERRUPTED_EXIT;
  else if (error instanceof Obstacle) {
    say(error.message);
    process.exitCode = 1;
  } else throw error;
}
