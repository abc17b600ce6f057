import { localDayOf } from '../platform/local-time.js';
import { factsOf as quantityFacts } from '../systems/quantities.js';
import {
  freshState,
  type Judge,
  type Judgeable,
  judgeRun,
  type JudgingState,
  maskOf,
  stateAfter,
} from './quality.js';
import { HOUR_MS, type RollupRow, type SensorStateRow } from './readings.schema.js';
import { judgeOf, type SensorFacts } from './sensor-facts.js';

/** Readings in columns, one place a reading, in the order in which they arrived; NaN is no figure. */
export interface Batch {
  sensors: Int32Array<ArrayBuffer>;
  times: Float64Array<ArrayBuffer>;
  raws: Float64Array<ArrayBuffer>;
}

export const OUTCOMES = ['stored', 'duplicate', 'conflict'] as const;
const [DUPLICATE, CONFLICT] = [1, 2];

/** What became of a batch, in its order; an outcome is a place in `OUTCOMES`, a quality one in `QUALITIES`. */
export interface Commit {
  outcomes: Uint8Array<ArrayBuffer>;
  qualities: Uint8Array<ArrayBuffer>;
  reasons: Int32Array<ArrayBuffer>;
  /** Those of which any reading was new, by number. */
  sensors: number[];
  receivedAt: number;
}

export const emptyBatch = (size: number): Batch => ({
  sensors: new Int32Array(size),
  times: new Float64Array(size),
  raws: new Float64Array(size),
});

export function firstOf(batch: Batch, size: number): Batch {
  if (size === batch.times.length) return batch;
  return {
    sensors: batch.sensors.slice(0, size),
    times: batch.times.slice(0, size),
    raws: batch.raws.slice(0, size),
  };
}

/** A reading as judging remembers it. */
export interface Past {
  observedAt: number;
  raw: number | null;
  value: number | null;
}

/** What a flush asks of the readings that are stored already. */
export interface StoredSeries {
  state(sensor: number): SensorStateRow | undefined;
  /** The raw figure of the reading at that very instant; undefined where there is none. */
  rawAt(sensor: number, at: number): number | null | undefined;
  /** The last `REMEMBERED` readings before a time, oldest first. */
  before(sensor: number, at: number): Past[];
  /** The newest good value of a thermometer at a time, where it is still fresh. */
  temperatureAt(thermometer: number, at: number): Temperature | undefined;
}

export interface Temperature {
  at: number;
  value: number;
}

/** For how long a temperature speaks of now. */
export const THERMOMETER_STALE_MS = quantityFacts('water-temperature').staleAfterMs;

/** All that a transaction has to write, found without writing anything. */
export interface Flush {
  commit: Commit;
  /** Places in the batch of what is new, by sensor and time. */
  fresh: number[];
  /** By place in the batch; NaN where the quality is bad. */
  values: Float64Array;
  hours: RollupRow[];
  days: RollupRow[];
  states: SensorStateRow[];
}

/** A clock that is ahead by more than this is worth a remark; less is the way of the message. */
const CLOCK_AHEAD_MS = 5_000;
const CLOCK_AHEAD = maskOf('clock-ahead');

/** How each sensor is judged, and where its judging stands; kept between flushes, and right without being kept. */
export class JudgingMemory {
  private readonly known = new Map<number, { facts: SensorFacts; judge: Judge; state: JudgingState }>();

  /** @param newestAt where the sensor's series ends: whatever else is remembered is of another time. */
  recall(facts: SensorFacts, newestAt: number | null): { judge: Judge; state: JudgingState | undefined } {
    let memory = this.known.get(facts.number);
    if (memory?.facts !== facts) {
      memory = { facts, judge: judgeOf(facts), state: freshState() };
      this.known.set(facts.number, memory);
    }
    const isOfNow = newestAt === null ? memory.state.count === 0 : memory.state.at === newestAt;
    return { judge: memory.judge, state: isOfNow ? memory.state : undefined };
  }

  keep(sensor: number, state: JudgingState): void {
    this.known.get(sensor)!.state = state;
  }

  /** What was judged of these has not become durable. Of others, a flush may be on its way that counts on it. */
  forget(sensors: Iterable<number>): void {
    for (const sensor of sensors) this.known.delete(sensor);
  }
}

export function planFlush(
  batch: Batch,
  factsOf: (sensor: number) => SensorFacts,
  series: StoredSeries,
  memory: JudgingMemory,
  receivedAt: number,
): Flush {
  const size = batch.times.length;
  const commit: Commit = {
    outcomes: new Uint8Array(size),
    qualities: new Uint8Array(size),
    reasons: new Int32Array(size),
    sensors: [],
    receivedAt,
  };
  const flush: Flush = { commit, fresh: [], values: new Float64Array(size), hours: [], days: [], states: [] };
  const runs = [...runsOf(batch)].map(([sensor, places]) => ({ places, facts: factsOf(sensor) }));
  const brought = new Map<number, Temperature[]>();
  for (const { facts } of runs) if (facts.thermometer !== null) brought.set(facts.thermometer, []);
  // Thermometers before what they compensate: a device sends both at once, after an outage hours of them.
  if (brought.size > 0) runs.sort((one, other) => rankOf(one.facts) - rankOf(other.facts));
  for (const { places, facts } of runs) planRun(flush, batch, places, facts, series, memory, brought);
  return flush;
}

const rankOf = ({ thermometer }: SensorFacts): number => (thermometer === null ? 0 : 1);

interface Fresh extends Judgeable {
  place: number;
}

/** The readings of one sensor. */
function planRun(
  flush: Flush,
  batch: Batch,
  places: number[],
  facts: SensorFacts,
  series: StoredSeries,
  memory: JudgingMemory,
  brought: Map<number, Temperature[]>,
): void {
  const { number } = facts;
  const state = series.state(number) ?? emptyState(number);
  const newestAt = state.newest_at;
  const fresh = takeFresh(flush.commit, batch, places, facts, series, newestAt);
  if (fresh.length === 0) return;
  const firstNew = newestAt === null ? 0 : fresh.findIndex(({ observedAt }) => observedAt > newestAt);
  const late = firstNew === -1 ? fresh : fresh.slice(0, firstNew);
  const inOrder = firstNew === -1 ? [] : fresh.slice(firstNew);
  const temperatureAt = temperaturesFor(facts, series, brought);
  const { judge, state: remembered } = memory.recall(facts, newestAt);
  if (late.length > 0) {
    judgeRun(judge, stateAfter(judge, series.before(number, late[0]!.observedAt)), late, temperatureAt);
  }
  if (inOrder.length > 0) {
    const judging =
      remembered ??
      (newestAt === null
        ? freshState()
        : stateAfter(judge, series.before(number, Infinity), state.unchanged_since));
    judgeRun(judge, judging, inOrder, temperatureAt);
    memory.keep(number, judging);
    const newest = inOrder[inOrder.length - 1]!;
    state.newest_at = newest.observedAt;
    state.newest_raw = newest.raw;
    state.newest_value = newest.value;
    state.newest_quality = newest.quality;
    state.unchanged_since = Number.isNaN(judging.unchangedSince) ? null : judging.unchangedSince;
  }
  state.dirty_from = Math.min(state.dirty_from ?? Infinity, fresh[0]!.observedAt);
  state.dirty_to = Math.max(state.dirty_to ?? -Infinity, fresh[fresh.length - 1]!.observedAt);
  flush.states.push(state);
  flush.commit.sensors.push(number);
  write(flush, fresh, facts);
  for (const { observedAt, quality, value } of brought.has(number) ? fresh : []) {
    if (quality === 0 && value !== null) brought.get(number)!.push({ at: observedAt, value });
  }
}

/** Of what is stored and what the flush itself brings, the newer. Asked in the order of time. */
function temperaturesFor(
  { thermometer }: SensorFacts,
  series: StoredSeries,
  brought: Map<number, Temperature[]>,
): (at: number) => number | null {
  if (thermometer === null) return () => null;
  const own = brought.get(thermometer)!;
  let next = 0;
  return (at) => {
    while (next < own.length && own[next]!.at <= at) next += 1;
    const stored = series.temperatureAt(thermometer, at);
    const newest = own[next - 1];
    if (!newest || at - newest.at > THERMOMETER_STALE_MS) return stored?.value ?? null;
    return stored && stored.at > newest.at ? stored.value : newest.value;
  };
}

/** What is not stored yet, in the order of time; of the same instant the first that arrived. */
function takeFresh(
  commit: Commit,
  { times, raws }: Batch,
  places: number[],
  { number }: SensorFacts,
  series: StoredSeries,
  newestAt: number | null,
): Fresh[] {
  const fresh: Fresh[] = [];
  const { receivedAt } = commit;
  let [last, lastRaw]: [number, number | null | undefined] = [NaN, null];
  for (const place of places) {
    const observedAt = times[place]!;
    const raw = Number.isNaN(raws[place]!) ? null : raws[place]!;
    const isKnown = observedAt === last || (newestAt !== null && observedAt <= newestAt);
    const known: number | null | undefined =
      observedAt === last ? lastRaw : isKnown ? series.rawAt(number, observedAt) : undefined;
    [last, lastRaw] = [observedAt, known === undefined ? raw : known];
    if (known !== undefined) {
      commit.outcomes[place] = known === raw ? DUPLICATE : CONFLICT;
      continue;
    }
    const reasons = observedAt > receivedAt + CLOCK_AHEAD_MS ? CLOCK_AHEAD : 0;
    fresh.push({ place, observedAt, raw, reasons, quality: 0, value: null });
  }
  return fresh;
}

function write({ commit, fresh, values, hours, days }: Flush, readings: Fresh[], facts: SensorFacts): void {
  const { number, timeZone } = facts;
  let hour: RollupRow | undefined;
  let day: RollupRow | undefined;
  let dayEnds = 0;
  for (const { place, observedAt: at, value, quality, reasons } of readings) {
    commit.qualities[place] = quality;
    commit.reasons[place] = reasons;
    values[place] = value ?? NaN;
    fresh.push(place);
    if (!hour || at >= hour.at + HOUR_MS) hours.push((hour = emptyRollup(number, at - (at % HOUR_MS))));
    if (!day || at >= dayEnds) {
      const { from, to } = localDayOf(at, timeZone);
      days.push((day = emptyRollup(number, from)));
      dayEnds = to;
    }
    count(hour, at, value, quality);
    count(day, at, value, quality);
  }
}

/** The places of each sensor's readings, in the order of time, and of arrival where that is the same. */
function runsOf({ sensors, times }: Batch): Map<number, number[]> {
  const runs = new Map<number, number[]>();
  const unordered = new Set<number[]>();
  for (let place = 0; place < sensors.length; place++) {
    const sensor = sensors[place]!;
    const run = runs.get(sensor);
    if (!run) {
      runs.set(sensor, [place]);
      continue;
    }
    if (times[run[run.length - 1]!]! > times[place]!) unordered.add(run);
    run.push(place);
  }
  for (const run of unordered) run.sort((a, b) => times[a]! - times[b]! || a - b);
  return runs;
}

function count(rollup: RollupRow, at: number, value: number | null, quality: number): void {
  if (quality === 1) rollup.suspect += 1;
  else if (quality === 2) rollup.bad += 1;
  else if (value !== null) {
    rollup.count += 1;
    rollup.sum += value;
    if (rollup.min === null || value < rollup.min) rollup.min = value;
    if (rollup.max === null || value > rollup.max) rollup.max = value;
    rollup.last = value;
    rollup.last_at = at;
  }
}

const emptyRollup = (sensor_number: number, at: number): RollupRow => ({
  sensor_number,
  at,
  count: 0,
  sum: 0,
  min: null,
  max: null,
  last: null,
  last_at: null,
  suspect: 0,
  bad: 0,
});

const emptyState = (sensor_number: number): SensorStateRow => ({
  sensor_number,
  newest_at: null,
  newest_raw: null,
  newest_value: null,
  newest_quality: null,
  unchanged_since: null,
  dirty_from: null,
  dirty_to: null,
});
