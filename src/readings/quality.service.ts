import { Injectable } from '@nestjs/common';

import { Clock, isoTime } from '../platform/clock.js';
import { refuseFields } from '../platform/http/validation.pipe.js';
import { factsOf } from '../systems/quantities.js';
import { rulesFor } from '../systems/quality-rules.js';
import { rulesOf, type SensorRow, type SensorRules } from '../systems/systems.repository.js';
import { SystemsService } from '../systems/systems.service.js';
import type { Rejudge, Rejudged, SensorRulesView, SetRules } from './quality.dto.js';
import { refuseDerived, RejudgingService } from './rejudging.service.js';

/** The rules that a sensor's readings are judged by. */
@Injectable()
export class QualityService {
  constructor(
    private readonly systems: SystemsService,
    private readonly rejudging: RejudgingService,
    private readonly clock: Clock,
  ) {}

  async rules(systemId: string, sensorId: string): Promise<SensorRulesView> {
    return viewOf(await this.systems.findSensor(systemId, sensorId));
  }

  /** Readings from now on are judged by them; those that are there already, on request. */
  async setRules(systemId: string, sensorId: string, request: SetRules): Promise<SensorRulesView> {
    refuseDerived(await this.systems.findSensor(systemId, sensorId));
    const { physical, stuckAfterSeconds, staleAfterSeconds, ...rest } = request;
    if (physical && physical[0]! >= physical[1]!) {
      const message = `physical must begin below ${physical[1]}, its end`;
      throw refuseFields([{ field: 'physical', code: 'order', message }]);
    }
    const rules: SensorRules = {
      ...rest,
      ...(physical && { physical: physical as [number, number] }),
      ...(stuckAfterSeconds !== undefined && { stuckAfterMs: inMs(stuckAfterSeconds) }),
      ...(staleAfterSeconds !== undefined && { staleAfterMs: staleAfterSeconds * 1000 }),
    };
    const sensor = await this.systems.setRules(systemId, sensorId, rules);
    await this.rejudging.followUp(sensor, this.clock.now());
    return viewOf(sensor);
  }

  rejudge(systemId: string, sensorId: string, { from, to }: Rejudge): Promise<Rejudged> {
    const end = to === undefined ? this.clock.now() : Date.parse(to);
    const start = Date.parse(from);
    if (start > end) {
      const message = `from must not be after ${isoTime(end)}`;
      throw refuseFields([{ field: 'from', code: 'order', message }]);
    }
    return this.rejudging.rejudge(systemId, sensorId, start, end);
  }
}

const inMs = (seconds: number | null): number | null => (seconds === null ? null : seconds * 1000);
const inSeconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);

/** As they are called outside, where times are in seconds. */
const OUTSIDE: Record<string, string> = {
  stuckAfterMs: 'stuckAfterSeconds',
  staleAfterMs: 'staleAfterSeconds',
};

function viewOf(sensor: SensorRow): SensorRulesView {
  const overrides = rulesOf(sensor);
  const { calibrateEveryDays = factsOf(sensor.quantity).calibrateEveryDays, ...judging } = overrides;
  const { stuckAfterMs, staleAfterMs, ...rules } = rulesFor(sensor.quantity, judging, sensor.raw_unit);
  return {
    sensor: sensor.id,
    unit: factsOf(sensor.quantity).unit,
    rules: {
      ...rules,
      stuckAfterSeconds: inSeconds(stuckAfterMs),
      staleAfterSeconds: staleAfterMs / 1000,
      calibrateEveryDays,
    },
    overridden: Object.keys(overrides).map((name) => OUTSIDE[name] ?? name),
  };
}
