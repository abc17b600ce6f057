import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Logger } from 'pino';

import { Clock, isoTime } from '../platform/clock.js';
import { ProblemType } from '../platform/http/problem.js';
import { LOGGER } from '../platform/logging.js';
import { factsOf as quantityFacts } from '../systems/quantities.js';
import { REMEMBERED_MS } from '../systems/system-views.js';
import type { SensorRow } from '../systems/systems.repository.js';
import { SENSOR_NOT_FOUND, SystemsService } from '../systems/systems.service.js';
import { HistoryRepository, type Stored } from './history.repository.js';
import type { Rejudged } from './quality.dto.js';
import {
  BROUGHT_ALONG,
  freshState,
  type Judgeable,
  judgeRun,
  type JudgingState,
  stateAfter,
} from './quality.js';
import { factsOf, judgeOf, type SensorFacts } from './sensor-facts.js';

export const SENSOR_DERIVED = new ProblemType(
  'SENSOR.DERIVED',
  409,
  'The sensor is derived from others, which have rules and calibrations',
);

/** Of one transaction: while it lasts, nobody else writes readings of the sensor. */
const CHUNK = 2_000;
const LOOK_MS = 2_000;
/** The rules or the calibration that other replicas took readings by a moment ago. */
const RACE_MS = REMEMBERED_MS + 1_000;

/** Judges again what is stored, by the rules and calibrations of now; the raw figures stay what they are. */
@Injectable()
export class RejudgingService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private isStopping = false;

  constructor(
    private readonly history: HistoryRepository,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running = this.running.then(() => this.catchUp());
    }, LOOK_MS);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** @throws SENSOR_NOT_FOUND, SENSOR_DERIVED */
  async rejudge(systemId: string, sensorId: string, from: number, to: number): Promise<Rejudged> {
    const { system, sensors } = await this.systems.currentView(systemId);
    const sensor = sensors.get(sensorId);
    if (!sensor) throw SENSOR_NOT_FOUND.happened(`The system "${systemId}" has no sensor "${sensorId}"`);
    refuseDerived(sensor);
    const rejudging = new Rejudging(this.history, factsOf(sensor, system, sensors.values()));
    const counts = await rejudging.run(from, to);
    return { sensor: sensorId, from: isoTime(from), to: isoTime(to), ...counts };
  }

  /**
   * Rules or calibration were changed a moment ago: what other replicas take by the old ones until they hear of it is
   * judged again then. Kept in the database, so that it happens even if this process ends.
   */
  async followUp(sensor: SensorRow, from: number): Promise<void> {
    const now = this.clock.now();
    await this.history.schedule({
      sensor_number: sensor.number,
      system_id: sensor.system_id,
      sensor_id: sensor.id,
      from_at: from,
      to_at: now + RACE_MS,
      due_at: now + RACE_MS,
    });
  }

  /** Done by two processes at once it does no harm: the second finds nothing to change. */
  private async catchUp(): Promise<void> {
    try {
      for (const due of await this.history.due(this.clock.now())) {
        if (this.isStopping) return;
        await this.rejudge(due.system_id, due.sensor_id, due.from_at, due.to_at);
        await this.history.done(due);
      }
    } catch (error) {
      if (!this.isStopping) this.logger.warn({ err: error }, 'judging again failed; it will be tried again');
    }
  }
}

export function refuseDerived(sensor: SensorRow): void {
  if (quantityFacts(sensor.quantity).isDerived) throw SENSOR_DERIVED.happened();
}

interface Counts {
  readings: number;
  changed: number;
  good: number;
  suspect: number;
  bad: number;
}

/** One pass over the history of one sensor. */
class Rejudging {
  private readonly judge;
  private readonly counts: Counts = { readings: 0, changed: 0, good: 0, suspect: 0, bad: 0 };

  constructor(
    private readonly history: HistoryRepository,
    private readonly facts: SensorFacts,
  ) {
    this.judge = judgeOf(facts);
  }

  async run(from: number, to: number): Promise<Counts> {
    const state = await this.leadIn(from);
    let next = from;
    while (next <= to) {
      const last = await this.chunk(state, next, to);
      if (last === undefined) break;
      next = last + 1;
      // Requests come first.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return this.counts;
  }

  /** What was before it decides about its first readings: how long the figure has been the same. */
  private async leadIn(from: number): Promise<JudgingState> {
    const { stuckAfterMs } = this.judge.rules;
    const start = from - (stuckAfterMs ?? 0) * 1.25;
    const before = await this.history.before(this.facts.number, start);
    const state = before.length === 0 ? freshState() : stateAfter(this.judge, before.map(asPast));
    for (let next = start; next < from;) {
      const rows = await this.history.stretch(this.facts.number, next, from - 1, CHUNK);
      if (rows.length === 0) break;
      judgeRun(this.judge, state, rows.map(asJudgeable));
      next = rows[rows.length - 1]!.observed_at + 1;
    }
    return state;
  }

  /** @returns the time of its last reading; undefined where there is none. */
  private chunk(state: JudgingState, from: number, to: number): Promise<number | undefined> {
    const { number, timeZone } = this.facts;
    return this.history.whileNobodyWrites(number, async (transaction) => {
      const rows = await this.history.stretch(number, from, to, CHUNK, transaction);
      if (rows.length === 0) return undefined;
      const last = rows[rows.length - 1]!.observed_at;
      const run = rows.map(asJudgeable);
      judgeRun(this.judge, state, run, await this.temperatures(transaction, from, last));
      const changed = run.filter((reading, index) => isOther(reading, rows[index]!));
      if (changed.length > 0) await this.history.rewrite(transaction, number, timeZone, changed);
      const since = Number.isNaN(state.unchangedSince) ? null : state.unchangedSince;
      await this.history.keepNewest(transaction, number, run[run.length - 1]!, since);
      this.counts.readings += run.length;
      this.counts.changed += changed.length;
      for (const { quality } of run) this.counts[(['good', 'suspect', 'bad'] as const)[quality]] += 1;
      return last;
    });
  }

  private async temperatures(
    transaction: Parameters<HistoryRepository['goodValues']>[0],
    from: number,
    to: number,
  ): Promise<(at: number) => number | null> {
    const { thermometer } = this.facts;
    if (thermometer === null) return () => null;
    const staleAfterMs = quantityFacts('water-temperature').staleAfterMs;
    const known = await this.history.goodValues(transaction, thermometer, from - staleAfterMs, to);
    let next = 0;
    return (at) => {
      while (next < known.length && known[next]!.observed_at <= at) next += 1;
      const newest = known[next - 1];
      return newest && at - newest.observed_at <= staleAfterMs ? newest.value : null;
    };
  }
}

const asPast = ({ observed_at, raw, value }: Stored) => ({ observedAt: observed_at, raw, value });

const asJudgeable = ({ observed_at, raw, reasons }: Stored): Judgeable => ({
  observedAt: observed_at,
  raw,
  reasons: reasons & BROUGHT_ALONG,
  quality: 0,
  value: null,
});

const isOther = (reading: Judgeable, stored: Stored): boolean =>
  reading.value !== stored.value || reading.quality !== stored.quality || reading.reasons !== stored.reasons;
