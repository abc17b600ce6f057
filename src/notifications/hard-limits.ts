import type { Range, Ranges } from '../systems/profiles.js';
import { AMMONIA_ALARM, RUN_DRY_PERCENT } from '../systems/safety-limits.js';
import { type ClassifiedReading, isUsable, type Level } from './perceptron-notifications.script.js';

export interface HardLimit {
  level: Level;
  code: string;
  quantity: string;
  value: number;
  limit: number;
  message: string;
}

/** mg/L as nitrogen; Emerson 1975 gives the share, these levels are the usual ones for fish in fresh water. */
export const AMMONIA_RANGE: Range = { best: [null, 0.02], vital: [null, 0.2] };
/** A pH this far outside of the vital range kills; nearer, it wears down. This project's own. */
const DEADLY_PH_MARGIN = 1;

/** What each quantity's breach means: the level below the vital range, and above it. */
const BREACHES: Record<string, [below: Level, above: Level]> = {
  'water-temperature': ['critical', 'critical'],
  'dissolved-oxygen': ['critical', 'advisory'],
  ph: ['warning', 'warning'],
  'total-ammonia-nitrogen': ['normal', 'warning'],
  nitrite: ['normal', 'warning'],
  nitrate: ['normal', 'advisory'],
  'water-level': ['warning', 'warning'],
  'un-ionised-ammonia': ['normal', 'critical'],
};

/**
 * The limits that win over the perceptron, whatever it has learnt. Only a good and fresh reading breaches one: late
 * data is history, and a failed probe is the perceptron's business, as a failed probe.
 */
export function breachedLimits(readings: ClassifiedReading[], ranges: Ranges): HardLimit[] {
  return readings.filter(isUsable).flatMap(({ quantity, value }) => {
    const range = ranges[quantity];
    return range ? breaches(quantity, value!, range) : [];
  });
}

function breaches(quantity: string, value: number, { vital: [low, high] }: Range): HardLimit[] {
  const [below, above] = BREACHES[quantity] ?? ['advisory', 'advisory'];
  const found: HardLimit[] = [];
  const add = (level: Level, side: 'LOW' | 'HIGH', limit: number): void => {
    if (level === 'normal') return;
    const code = `${quantity.toUpperCase()}.${side}`;
    const words = side === 'LOW' ? 'below' : 'above';
    const message = `${quantity} ${value} is ${words} the limit of ${limit}`;
    found.push({ level, code, quantity, value, limit, message });
  };
  if (low !== null && value < low) add(deadly(quantity, value, low) ? 'critical' : below, 'LOW', low);
  else if (high !== null && value > high)
    add(deadly(quantity, value, high) ? 'critical' : above, 'HIGH', high);
  else if (quantity === 'un-ionised-ammonia' && value >= AMMONIA_ALARM) add('warning', 'HIGH', AMMONIA_ALARM);
  return found;
}

function deadly(quantity: string, value: number, limit: number): boolean {
  if (quantity === 'ph') return Math.abs(value - limit) >= DEADLY_PH_MARGIN;
  return quantity === 'water-level' && value < RUN_DRY_PERCENT;
}
