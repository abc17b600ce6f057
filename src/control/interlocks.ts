import { ACTUATOR_KINDS, type ActuatorKind } from '../systems/actuators.js';
import type { Ranges } from '../systems/profiles.js';
import { AMMONIA_ALARM, RUN_DRY_PERCENT } from '../systems/safety-limits.js';
import type { ControllerInputs } from './fuzzy-controller.script.js';

/** What is known for sure: good and fresh readings only. A quantity that is missing here is unknown. */
export interface Facts {
  known: ControllerInputs;
  /** Inputs whose probe has reported before, and does not now. */
  failed: string[];
  ranges: Ranges;
  /** The species takes no feed in colder water than this, Cel. */
  noFeedBelowC: number | null;
}

export interface Interlock {
  code: string;
  reason: string;
}

export interface Disposition {
  /** What may be commanded. */
  percent: number;
  /** The interlocks that changed the proposal, in the order in which they did. */
  interlocks: Interlock[];
}

/** Fish in a tank need some air at any time; per cent, this project's own. */
export const LEAST_AIR_PERCENT = 30;

type Rule = (percent: number, facts: Facts) => [percent: number, code: string, reason: string] | undefined;

const isBelow = (value: number | undefined, limit: number | null | undefined): boolean =>
  value !== undefined && limit !== null && limit !== undefined && value < limit;
const isFrom = (value: number | undefined, limit: number | null | undefined): boolean =>
  value !== undefined && limit !== null && limit !== undefined && value >= limit;

/** For each kind of actuator, what no controller may overrule; each rule sees what the one before it left. */
const RULES: Record<ActuatorKind, Rule[]> = {
  heater: [
    (_, { known }) =>
      known['water-temperature'] === undefined
        ? [0, 'HEATER.TEMPERATURE_UNKNOWN', 'A heater never runs on a dead or silent temperature probe']
        : undefined,
    (_, { known, ranges }) =>
      isFrom(known['water-temperature'], ranges['water-temperature']?.best[1])
        ? [0, 'HEATER.WARM_ENOUGH', 'The water is at the upper end of the best range']
        : undefined,
    (_, { failed }) =>
      failed.includes('water-level')
        ? [
            0,
            'HEATER.LEVEL_FAILED',
            'The level probe has failed, so nobody knows whether the heater stands in air',
          ]
        : undefined,
    (_, { known, ranges }) =>
      isBelow(known['water-level'], ranges['water-level']?.vital[0])
        ? [0, 'HEATER.LEVEL_LOW', 'The water is so low that the heater may stand in air']
        : undefined,
  ],
  // On a failed level probe it runs on: without circulation fish and bacteria suffocate within the hour.
  'circulation-pump': [
    (_, { known }) =>
      isBelow(known['water-level'], RUN_DRY_PERCENT)
        ? [0, 'PUMP.RUN_DRY', 'The pump would run dry']
        : undefined,
  ],
  'air-pump': [
    (_, { known }) =>
      known['dissolved-oxygen'] === undefined
        ? [100, 'AIR.OXYGEN_UNKNOWN', 'Nobody knows the oxygen, so the fish get all the air there is']
        : undefined,
    (_, { known, ranges }) =>
      isBelow(known['dissolved-oxygen'], ranges['dissolved-oxygen']?.vital[0])
        ? [100, 'AIR.OXYGEN_VITAL', 'The oxygen is below what the fish need to live']
        : undefined,
    (percent) =>
      percent < LEAST_AIR_PERCENT
        ? [LEAST_AIR_PERCENT, 'AIR.LEAST', 'An air pump is never off while there are fish']
        : undefined,
  ],
  feeder: [
    (_, { known }) =>
      known['water-temperature'] === undefined || known['dissolved-oxygen'] === undefined
        ? [
            0,
            'FEEDER.UNKNOWN',
            'Without temperature and oxygen nobody knows whether the fish can digest; a day without feed harms none',
          ]
        : undefined,
    (_, { known, ranges, noFeedBelowC }) =>
      isBelow(known['water-temperature'], noFeedBelowC ?? ranges['water-temperature']?.vital[0])
        ? [0, 'FEEDER.COLD', 'The fish do not eat in water this cold, and the feed rots']
        : undefined,
    (_, { known, ranges }) =>
      isBelow(known['dissolved-oxygen'], ranges['dissolved-oxygen']?.vital[0])
        ? [0, 'FEEDER.OXYGEN_VITAL', 'Digesting takes oxygen that is not there']
        : undefined,
    (_, { known }) =>
      isFrom(known['un-ionised-ammonia'], AMMONIA_ALARM)
        ? [0, 'FEEDER.AMMONIA', 'Feed becomes ammonia, and there is too much already']
        : undefined,
  ],
};

/**
 * The last word before an actuator, the same for every path to one. A missing proposal is the safe state.
 * Pure: what it says depends on its arguments alone.
 */
export function dispose(kind: ActuatorKind, proposedPercent: number | null, facts: Facts): Disposition {
  const interlocks: Interlock[] = [];
  let percent = proposedPercent ?? ACTUATOR_KINDS[kind].safePercent;
  if (proposedPercent === null) {
    interlocks.push({ code: 'NO_PROPOSAL', reason: 'No rule fired for it: it goes to its safe state' });
  }
  for (const rule of RULES[kind]) {
    const [limited, code, reason] = rule(percent, facts) ?? [percent];
    if (limited !== percent && code !== undefined) {
      interlocks.push({ code, reason: reason ?? '' });
      percent = limited;
    }
  }
  return { percent, interlocks };
}
