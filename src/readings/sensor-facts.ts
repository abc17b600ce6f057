import { uncalibratedCurve } from '../systems/calibration.js';
import type { Quantity } from '../systems/quantities.js';
import { judgingOf, probeOf, type SensorRow, type SystemRow } from '../systems/systems.repository.js';
import { type Judge, judgeFor, type Judging } from './quality.js';

/** What judging and rolling up a sensor's readings takes; plain data, which crosses to the writer's thread. */
export interface SensorFacts extends Judging {
  number: number;
  systemId: string;
  quantity: Quantity;
  /** Of the sensor's system: where its days begin. */
  timeZone: string;
  /** The sensor of the water's temperature, where the probe does not compensate for it. */
  thermometer: number | null;
}

export const judgeOf = (facts: SensorFacts): Judge => judgeFor(facts.quantity, facts);

export const factsOf = (sensor: SensorRow, system: SystemRow, sensors: Iterable<SensorRow>): SensorFacts => {
  const probe = probeOf(sensor);
  const compensates = probe.quantity === 'electrical-conductivity' && !probe.isCompensated;
  return {
    number: sensor.number,
    systemId: system.id,
    quantity: sensor.quantity,
    timeZone: system.time_zone,
    base: compensates ? uncalibratedCurve(probe) : null,
    rawUnit: sensor.raw_unit,
    thermometer: compensates ? thermometerAmong(sensors) : null,
    ...judgingOf(sensor),
  };
};

/** The first of the system, which control listens to as well. */
function thermometerAmong(sensors: Iterable<SensorRow>): number | null {
  for (const { quantity, number } of sensors) if (quantity === 'water-temperature') return number;
  return null;
}

export const systemsOf = (sensors: number[], facts: Map<number, SensorFacts>): string[] => [
  ...new Set(sensors.map((sensor) => facts.get(sensor)!.systemId)),
];
