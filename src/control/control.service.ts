import { Injectable } from '@nestjs/common';
import type { Counter } from 'prom-client';

import { Brain } from '../brain/brain.module.js';
import { Clock, isoTime } from '../platform/clock.js';
import type { PageQuery } from '../platform/http/page.js';
import { ProblemType } from '../platform/http/problem.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import { Metrics } from '../platform/metrics/metrics.js';
import type { SensorStatus, SystemStatus } from '../readings/readings.dto.js';
import { primarySensor, ReadingsService } from '../readings/readings.service.js';
import { ACTUATOR_KINDS, type ActuatorKind } from '../systems/actuators.js';
import { rangesFor, SPECIES } from '../systems/profiles.js';
import { SystemsService } from '../systems/systems.service.js';
import type {
  AcknowledgeCommand,
  ActuatorDisposition,
  Command,
  Decide,
  Decision,
  Evaluate,
  InputReading,
  LeftOut,
} from './control.dto.js';
import {
  type CommandRow,
  ControlRepository,
  type DecisionRow,
  type NewCommandRow,
} from './control.repository.js';
import {
  type ControllerInput,
  type ControllerInputs,
  FUZZY_CONTROLLER,
  type FuzzyEvaluation,
  type Output,
} from './fuzzy-controller.script.js';
import { dispose, type Facts } from './interlocks.js';

export const NO_INPUTS = new ProblemType(
  'CONTROL.NO_INPUTS',
  409,
  'No sensor that the controller listens to is good and fresh; devices fall back to their safe state by themselves',
);
export const DECISION_NOT_FOUND = new ProblemType(
  'DECISION.NOT_FOUND',
  404,
  'The system has no such decision',
);
export const COMMAND_NOT_FOUND = new ProblemType('COMMAND.NOT_FOUND', 404, 'The system has no such command');
export const COMMAND_ENDED = new ProblemType(
  'COMMAND.ENDED',
  409,
  'The command does not wait for an answer any more',
);

/** A device that hears nothing for this long falls back to its safe state. */
const COMMAND_LIFETIME_MS = 10 * 60_000;

const DRIVEN_BY: Record<ActuatorKind, Output> = {
  'air-pump': 'aeration',
  'circulation-pump': 'circulation',
  heater: 'heating',
  feeder: 'feeding',
};

const MEASURED = ['water-temperature', 'dissolved-oxygen', 'ph', 'water-level'] as const;

@Injectable()
export class ControlService {
  private readonly decisions: Counter;
  private readonly commands: Counter<'event'>;

  constructor(
    private readonly brain: Brain,
    private readonly repository: ControlRepository,
    private readonly readings: ReadingsService,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.decisions = metrics.counter('decisions_total', 'Decisions that were stored');
    this.commands = metrics.counter(
      'commands_total',
      'Commands that were issued, superseded, done or failed; one that is none of these expires',
      ['event'],
    );
  }

  /** What the controller says of a given set of inputs; nothing is stored. */
  async evaluate({ inputs, species, crop }: Evaluate): Promise<FuzzyEvaluation> {
    if (crop && !species) {
      const message = 'crop needs a species beside it';
      throw refuseFields([{ field: 'crop', code: 'dependent', message }]);
    }
    const request = species ? { inputs, ranges: rangesFor(species, crop) } : { inputs };
    return (await this.brain.ask(FUZZY_CONTROLLER, request)).reply;
  }

  /** What should be done now, from the newest readings that are good and fresh. */
  async decide(systemId: string, { issueCommands }: Decide): Promise<Decision> {
    const system = await this.systems.find(systemId);
    const ranges = rangesFor(system.species, system.crop);
    const { known, inputs, leftOut } = listen(await this.readings.status(systemId));
    if (inputs.length === 0) throw NO_INPUTS.happened();
    const { reply: evaluation } = await this.brain.ask(FUZZY_CONTROLLER, { inputs: known, ranges });
    const facts: Facts = {
      known,
      failed: leftOut.filter(({ why }) => why === 'bad' || why === 'stale').map(({ input }) => input),
      ranges,
      noFeedBelowC: SPECIES[system.species]?.noFeedBelowC ?? null,
    };
    const actuators = await this.disposeAll(systemId, evaluation, facts);

    const at = this.clock.now();
    const body: DecisionBody = { inputs, leftOut, evaluation, actuators };
    const stored = await this.repository.insert(
      { system_id: systemId, at, body: JSON.stringify(body) },
      issueCommands ? actuators.map((actuator) => commandFor(systemId, actuator, at)) : [],
    );
    this.decisions.inc();
    this.commands.inc({ event: 'issued' }, stored.commands.length);
    this.commands.inc({ event: 'superseded' }, stored.superseded);
    return {
      id: stored.id,
      systemId,
      at: isoTime(at),
      ...body,
      commands: stored.commands.map((command) => asCommand(command, at)),
    };
  }

  async list(systemId: string, page: PageQuery): Promise<Decision[]> {
    await this.systems.find(systemId);
    return this.withCommands(await this.repository.listDecisions(systemId, page));
  }

  async find(systemId: string, id: number): Promise<Decision> {
    const row = await this.repository.findDecision(systemId, id);
    const [decision] = row ? await this.withCommands([row]) : [];
    if (!decision) throw DECISION_NOT_FOUND.happened(`The system "${systemId}" has no decision ${id}`);
    return decision;
  }

  async pendingCommands(systemId: string, deviceId: string | undefined): Promise<Command[]> {
    if (deviceId === undefined) await this.systems.find(systemId);
    else await this.systems.findDevice(systemId, deviceId);
    const now = this.clock.now();
    return (await this.repository.pendingCommands(systemId, now, deviceId)).map((row) => asCommand(row, now));
  }

  /** The same answer again is taken; another one is not. */
  async acknowledge(systemId: string, id: number, { outcome, detail }: AcknowledgeCommand): Promise<Command> {
    const command = await this.repository.findCommand(systemId, id);
    if (!command) throw COMMAND_NOT_FOUND.happened(`The system "${systemId}" has no command ${id}`);
    const now = this.clock.now();
    if (command.status === outcome) return asCommand(command, now);
    const { status } = asCommand(command, now);
    const answered =
      status === 'pending'
        ? await this.repository.acknowledge(id, {
            status: outcome,
            acknowledged_at: now,
            detail: detail ?? null,
          })
        : undefined;
    if (!answered) throw COMMAND_ENDED.happened(`The command ${id} is ${status}`);
    this.commands.inc({ event: outcome });
    return asCommand(answered, now);
  }

  private async disposeAll(
    systemId: string,
    evaluation: FuzzyEvaluation,
    facts: Facts,
  ): Promise<ActuatorDisposition[]> {
    const proposals = new Map(evaluation.outputs.map(({ output, value }) => [output, value]));
    return (await this.systems.actuators(systemId)).map(({ id, device_id, kind }) => {
      const output = DRIVEN_BY[kind];
      const proposedPercent = proposals.get(output) ?? null;
      const disposition = dispose(kind, proposedPercent, facts);
      return { actuator: id, deviceId: device_id, kind, output, proposedPercent, ...disposition };
    });
  }

  private async withCommands(rows: DecisionRow[]): Promise<Decision[]> {
    const now = this.clock.now();
    const commands = await this.repository.commandsOf(rows.map((row) => row.id));
    return rows.map((row) => ({
      id: row.id,
      systemId: row.system_id,
      at: isoTime(row.at),
      ...(JSON.parse(row.body) as DecisionBody),
      commands: commands
        .filter((command) => command.decision_id === row.id)
        .map((command) => asCommand(command, now)),
    }));
  }
}

type DecisionBody = Pick<Decision, 'inputs' | 'leftOut' | 'evaluation' | 'actuators'>;

/** What the controller may hear: good, fresh, and only from the first sensor of each quantity. */
function listen({ sensors, unionisedAmmonia }: SystemStatus): {
  known: ControllerInputs;
  inputs: InputReading[];
  leftOut: LeftOut[];
} {
  const known: ControllerInputs = {};
  const inputs: InputReading[] = [];
  const leftOut: LeftOut[] = [];
  const hear = (input: ControllerInput, value: number, from: SensorStatus[]): void => {
    const observed = from.map((status) => status.reading!.observedAt).sort();
    known[input] = value;
    inputs.push({ input, sensors: from.map((status) => status.sensor), value, observedAt: observed[0]! });
  };
  for (const quantity of MEASURED) {
    const status = primarySensor(sensors, quantity);
    if (status?.condition === 'fresh') hear(quantity, status.reading!.value!, [status]);
    else leftOut.push({ input: quantity, why: status?.condition ?? 'no-sensor' });
  }
  const ammoniaSensors = (['total-ammonia-nitrogen', 'ph', 'water-temperature'] as const).map((quantity) =>
    primarySensor(sensors, quantity),
  );
  if (unionisedAmmonia) {
    hear('un-ionised-ammonia', unionisedAmmonia.value, ammoniaSensors as SensorStatus[]);
  } else {
    const silent = ammoniaSensors.find((status) => status?.condition !== 'fresh');
    const why = silent?.condition ?? 'no-sensor';
    leftOut.push({ input: 'un-ionised-ammonia', why: why as LeftOut['why'] });
  }
  return { known, inputs, leftOut };
}

const commandFor = (systemId: string, actuator: ActuatorDisposition, at: number): NewCommandRow => ({
  system_id: systemId,
  device_id: actuator.deviceId,
  actuator_id: actuator.actuator,
  percent: actuator.percent,
  safe_percent: ACTUATOR_KINDS[actuator.kind].safePercent,
  issued_at: at,
  expires_at: at + COMMAND_LIFETIME_MS,
  status: 'pending',
  acknowledged_at: null,
  detail: null,
});

const asCommand = (row: CommandRow, now: number): Command => ({
  id: row.id,
  deviceId: row.device_id,
  actuator: row.actuator_id,
  percent: row.percent,
  safePercent: row.safe_percent,
  decisionId: row.decision_id,
  issuedAt: isoTime(row.issued_at),
  expiresAt: isoTime(row.expires_at),
  status: row.status === 'pending' && row.expires_at <= now ? 'expired' : row.status,
  acknowledgedAt: row.acknowledged_at === null ? null : isoTime(row.acknowledged_at),
  detail: row.detail,
});
