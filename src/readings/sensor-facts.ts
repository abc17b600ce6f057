import type { Curve } from '../systems/curve.js';
import type { QualityRules } from '../systems/quality-rules.js';
import type { Quantity } from '../systems/quantities.js';
import type { SensorRow, SystemRow } from '../systems/systems.repository.js';
import { type Judge, judgeFor } from './quality.js';

/** What judging and rolling up a sensor's readings takes; plain data, which crosses to the writer's thread. */
export interface SensorFacts {
  number: number;
  systemId: string;
  quantity: Quantity;
  /** Of the sensor's system: where its days begin. */
  timeZone: string;
  rules: Partial<QualityRules>;
  /** The calibration; null where the raw figure is the value. */
  curve: Curve | null;
  /** What the probe reports in, where that is not the quantity's unit. */
  rawUnit: string | null;
  /** While the probe is in a bottle, what it says is not of the tank. */
  calibrating: { from: number; until: number } | null;
  /** The sensor of the water's temperature, where the probe does not compensate for it. */
  thermometer: number | null;
}

export const judgeOf = ({ quantity, rules, curve, rawUnit }: SensorFacts): Judge =>
  judgeFor(quantity, rules, curve, rawUnit);

export const factsOf = (sensor: SensorRow, system: SystemRow): SensorFacts => ({
  number: sensor.number,
  systemId: system.id,
  quantity: sensor.quantity,
  timeZone: system.time_zone,
  rules: {},
  curve: null,
  rawUnit: null,
  calibrating: null,
  thermometer: null,
});

export const systemsOf = (sensors: number[], facts: Map<number, SensorFacts>): string[] => [
  ...new Set(sensors.map((sensor) => facts.get(sensor)!.systemId)),
];
