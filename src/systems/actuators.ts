/** What an actuator does when nobody tells it anything: an air pump fails on, a heater fails off. */
export interface ActuatorFacts {
  /** The level, in per cent, that it falls back to when its command expires. */
  safePercent: number;
}

export const ACTUATOR_KINDS = {
  'air-pump': { safePercent: 100 },
  'circulation-pump': { safePercent: 100 },
  heater: { safePercent: 0 },
  feeder: { safePercent: 0 },
} as const satisfies Record<string, ActuatorFacts>;

export type ActuatorKind = keyof typeof ACTUATOR_KINDS;

export const ACTUATOR_KIND_NAMES = Object.keys(ACTUATOR_KINDS) as ActuatorKind[];
