import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { Logger } from 'pino';

import { Clock } from '../platform/clock.js';
import { Events } from '../platform/events.js';
import { localDayOf } from '../platform/local-time.js';
import { LOGGER } from '../platform/logging.js';
import { DevicesService } from '../systems/devices.service.js';
import { degreeDays } from '../systems/equations.js';
import { CROPS } from '../systems/profiles.js';
import type { Quantity } from '../systems/quantities.js';
import { type SensorRow, staleAfterMsOf, type SystemRow } from '../systems/systems.repository.js';
import { SYSTEM_NOT_FOUND, SystemsService } from '../systems/systems.service.js';
import { Problem } from '../platform/http/problem.js';
import { DERIVED_DEVICE } from '../systems/templates.js';
import {
  DEGREE_DAYS,
  type Derivation,
  DERIVATIONS,
  ENOUGH_HOURS,
  MINUTE_MS,
  sideBySide,
} from './derivations.js';
import {
  DerivedRepository,
  type DerivedReading,
  type DerivedTransaction,
  type Dirty,
  type PendingDerivation,
} from './derived.repository.js';
import { GOOD, maskOf, SUSPECT } from './quality.js';

/** Readings that arrive together are derived from together. */
const DEBOUNCE_MS = 1_000;
/** What another process has left behind is found within this. */
const LOOK_MS = 10_000;
const RETRY_MS = 5_000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Stretches in a round; each is taken a day further. */
const ROUND = 10;

const INCOMPLETE = maskOf('incomplete');

/** For each quantity, whether anything is derived from it. */
const INPUTS = new Set<string>([...DERIVATIONS, DEGREE_DAYS].flatMap(({ inputs }) => inputs));

/**
 * Keeps derived series in step with what they are derived from. Ingest marks the stretches that it touches, in the same
 * transaction; this takes the marks, so nothing is lost where a process ends in between, and late readings are nothing
 * special.
 */
@Injectable()
export class DeriverService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private dueAt = Infinity;
  private running: Promise<void> | undefined;
  private isStopping = false;
  private readonly stopListening: (() => void)[];

  constructor(
    private readonly repository: DerivedRepository,
    private readonly systems: SystemsService,
    private readonly devices: DevicesService,
    private readonly clock: Clock,
    private readonly events: Events,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const anew = ({ systemId }: { systemId: string }): void => void this.deriveAnew(systemId);
    this.stopListening = [
      events.on('readings.committed', () => this.wake(DEBOUNCE_MS)),
      events.on('system.time-zone-changed', anew),
      events.on('system.altitude-changed', anew),
    ];
  }

  onApplicationBootstrap(): void {
    this.wake(0);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.timer);
    for (const stop of this.stopListening) stop();
    await this.running;
  }

  /** In so many milliseconds at the latest. */
  private wake(inMs: number): void {
    const at = performance.now() + inMs;
    if (this.isStopping || this.dueAt <= at) return;
    this.dueAt = at;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.begin(), inMs);
    this.timer.unref();
  }

  private begin(): void {
    this.dueAt = Infinity;
    if (this.running) return this.wake(DEBOUNCE_MS);
    this.running = this.run()
      .then(
        () => this.wake(LOOK_MS),
        (error: unknown) => {
          this.logger.warn({ err: error }, 'deriving failed; it will be tried again');
          this.wake(RETRY_MS);
        },
      )
      .finally(() => (this.running = undefined));
  }

  private async run(): Promise<void> {
    await this.repository.collect(stretchesOf);
    for (;;) {
      const stretches = await this.repository.pending(ROUND);
      if (stretches.length === 0) return;
      for (const stretch of stretches) {
        if (this.isStopping) return;
        await this.advance(stretch);
        // Requests come first.
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Something that all of a system's history depends on is another. */
  private async deriveAnew(systemId: string): Promise<void> {
    try {
      await this.repository.add({ system_id: systemId, from_at: 0, to_at: this.clock.now() + MINUTE_MS });
      this.wake(0);
    } catch (error) {
      this.logger.error({ err: error, systemId }, 'derived quantities could not be marked to be made again');
    }
  }

  private async advance(stretch: PendingDerivation): Promise<void> {
    const { system_id: systemId, from_at: from, to_at: to } = stretch;
    const plan = await this.planFor(systemId);
    const inputs = plan ? plan.inputs.map((quantity) => plan.inputOf.get(quantity)!.number) : [];
    const first = await this.repository.firstWithin(inputs, from, to);
    const receivedAt = this.clock.now();
    if (plan && first !== undefined) {
      await this.repository.makeRoom(localDayOf(first, plan.system.time_zone).from);
    }
    const advanced = await this.repository.advance(stretch, (transaction) =>
      plan && first !== undefined
        ? this.step(transaction, plan, first, to, receivedAt)
        : Promise.resolve({ doneTo: to, result: [] }),
    );
    const sensors = advanced?.result ?? [];
    if (sensors.length === 0) return;
    this.devices.seen(systemId, DERIVED_DEVICE.id, { at: receivedAt });
    this.events.emit('readings.committed', { systemIds: [systemId], sensors, receivedAt });
  }

  /** What can be derived for a system: whatever has all of its inputs, and each of them has reported. */
  private async planFor(systemId: string): Promise<Plan | undefined> {
    const system = await this.systems.find(systemId).catch((error: unknown) => {
      if (error instanceof Problem && error.type === SYSTEM_NOT_FOUND) return undefined;
      throw error;
    });
    if (!system) return undefined;
    const all = await this.systems.sensors(systemId);
    // The first of each, which control listens to as well.
    const inputOf = new Map<Quantity, SensorRow>();
    for (const sensor of all) {
      if (INPUTS.has(sensor.quantity) && !inputOf.has(sensor.quantity)) inputOf.set(sensor.quantity, sensor);
    }
    const reporting = await this.repository.reporting([...inputOf.values()].map(({ number }) => number));
    const isKnown = (quantity: Quantity): boolean => reporting.has(inputOf.get(quantity)?.number ?? -1);
    const possible = [...DERIVATIONS, DEGREE_DAYS].filter(({ inputs }) => inputs.every(isKnown));
    const missing = possible.filter(({ quantity }) => !all.some((sensor) => sensor.quantity === quantity));
    const present =
      missing.length === 0
        ? all
        : await this.systems.ensureDerived(
            systemId,
            missing.map(({ quantity, inputs }) => ({ quantity, place: inputOf.get(inputs[0]!)!.place })),
          );
    const outputOf = new Map(present.map((sensor) => [sensor.quantity, sensor]));
    return {
      system,
      inputOf,
      outputOf,
      possible: new Set(possible.map(({ quantity }) => quantity)),
      inputs: [...new Set(possible.flatMap(({ inputs }) => inputs))],
    };
  }

  /** A day of it, from the first reading on. @returns the sensors of which anything has become another. */
  private async step(
    transaction: DerivedTransaction,
    plan: Plan,
    first: number,
    to: number,
    receivedAt: number,
  ): Promise<{ doneTo: number; result: number[] }> {
    const begin = first - (first % MINUTE_MS);
    const doneTo = Math.min(to, begin + DAY_MS - 1);
    const changed: number[] = [];
    const replace = async (
      quantity: Quantity,
      stretch: { from: number; to: number },
      readings: DerivedReading[],
    ) => {
      const { number } = plan.outputOf.get(quantity)!;
      const zone = plan.system.time_zone;
      const isOther = await this.repository.replace(transaction, number, zone, stretch, readings, receivedAt);
      if (isOther) changed.push(number);
    };
    for (const derivation of DERIVATIONS) {
      if (!plan.possible.has(derivation.quantity) || !plan.outputOf.has(derivation.quantity)) continue;
      const readings = await this.derive(transaction, derivation, plan, begin, doneTo);
      await replace(derivation.quantity, { from: begin, to: doneTo }, readings);
    }
    const { quantity } = DEGREE_DAYS;
    if (plan.possible.has(quantity) && plan.outputOf.has(quantity)) {
      for (let day = localDayOf(begin, plan.system.time_zone); day.from <= doneTo;) {
        const readings = await this.deriveDay(transaction, plan, day);
        await replace(quantity, { from: day.from, to: day.to - 1 }, readings);
        day = localDayOf(day.to, plan.system.time_zone);
      }
    }
    return { doneTo, result: [...new Set(changed)] };
  }

  private async derive(
    transaction: DerivedTransaction,
    { inputs, compute }: Derivation,
    { inputOf, system }: Plan,
    from: number,
    to: number,
  ): Promise<DerivedReading[]> {
    const columns = [];
    for (const quantity of inputs) {
      const sensor = inputOf.get(quantity)!;
      const staleAfterMs = staleAfterMsOf(sensor);
      const samples = await this.repository.samples(transaction, sensor.number, from, to, staleAfterMs);
      columns.push({ samples, staleAfterMs });
    }
    const surroundings = { altitudeM: system.altitude_m };
    return sideBySide(columns, from, to)
      .map(({ at, values }): DerivedReading => ({
        at,
        value: compute(values, surroundings),
        quality: GOOD,
        reasons: 0,
      }))
      .filter(({ value }) => Number.isFinite(value));
  }

  private async deriveDay(
    transaction: DerivedTransaction,
    { inputOf, system }: Plan,
    { from, to }: { from: number; to: number },
  ): Promise<DerivedReading[]> {
    const base = CROPS[system.crop]?.baseTemperatureC;
    const { number } = inputOf.get('air-temperature')!;
    const { min, max, hours } = await this.repository.extremes(transaction, number, from, to);
    if (base === undefined || min === null || max === null) return [];
    const isComplete = hours >= ENOUGH_HOURS * ((to - from) / HOUR_MS);
    const judged = isComplete
      ? { quality: GOOD as 0, reasons: 0 }
      : { quality: SUSPECT as 1, reasons: INCOMPLETE };
    return [{ at: from, value: degreeDays(min, max, base), ...judged }];
  }
}

interface Plan {
  system: SystemRow;
  inputOf: Map<Quantity, SensorRow>;
  outputOf: Map<Quantity, SensorRow>;
  possible: Set<Quantity>;
  /** Of all that is possible. */
  inputs: Quantity[];
}

/** A reading decides what is derived until the next of its sensor comes, or it is stale. */
function stretchesOf(dirty: Dirty[]): PendingDerivation[] {
  return dirty
    .filter(({ quantity }) => INPUTS.has(quantity))
    .map(({ system_id, from, to, ...sensor }) => ({
      system_id,
      from_at: from - (from % MINUTE_MS),
      to_at: to - (to % MINUTE_MS) + MINUTE_MS - 1 + staleAfterMsOf(sensor),
    }));
}
