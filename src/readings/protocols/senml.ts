import { factsOf, type Quantity } from '../../systems/quantities.js';
import { type Item, refuse, type Refusal } from '../ingest.js';
import { convert } from './units.js';

interface KnownSensor {
  id: string;
  device_id: string;
  quantity: Quantity;
}

/** Times below this many seconds are relative to now (RFC 8428, 4.5.3). */
const EARLIEST_ABSOLUTE = 2 ** 28;
/** Features 0 to 4 of RFC 9100: what RFC 8428 has, and secondary units. */
const KNOWN_FEATURES = 0b11111;
const NAME = /^[A-Za-z0-9][\w:./-]*$/;
/** What a device calls itself (RFC 9039), up to the name of its sensor. */
const DEVICE_URN = /^urn:dev:[a-z]+:[^:/_]*[:/_]?/;

const BASES = {
  bn: 'string',
  bt: 'number',
  bu: 'string',
  bv: 'number',
  bs: 'number',
  bver: 'number',
} as const;
type Base = keyof typeof BASES;

const FIELDS = { n: 'string', u: 'string', t: 'number' } as const;

/**
 * The readings of a SenML pack (RFC 8428), each resolved by itself: one that cannot be taken says why, and the others
 * go on. A record that only sets base fields is no reading.
 */
export function parseSenml(
  records: unknown[],
  systemId: string,
  sensors: ReadonlyMap<string, KnownSensor>,
  now: number,
): Item[] {
  const items: Item[] = [];
  const bases: Partial<Record<Base, string | number>> = {};
  /** Base fields of the wrong type: what rests on them cannot be resolved, until they are set again. */
  const broken = new Set<string>();
  for (const record of records) {
    if (typeof record !== 'object' || record === null || Array.isArray(record)) {
      items.push(refuse('READING.NOT_AN_OBJECT', '', 'a SenML record is an object'));
      continue;
    }
    const fields = record as Record<string, unknown>;
    const names = Object.keys(fields);
    for (const name of names) {
      if (Object.hasOwn(BASES, name)) {
        const base = name as Base;
        if (isOf(fields[base], BASES[base])) {
          bases[base] = fields[base] as string | number;
          broken.delete(base);
        } else broken.add(base);
      } else if (name.endsWith('_') && name.startsWith('b')) broken.add(name);
    }
    if (names.length > 0 && names.every((name) => name.startsWith('b'))) continue;
    items.push(resolve(fields, bases, broken, systemId, sensors, now));
  }
  return items;
}

function resolve(
  fields: Record<string, unknown>,
  bases: Partial<Record<Base, string | number>>,
  broken: ReadonlySet<string>,
  systemId: string,
  sensors: ReadonlyMap<string, KnownSensor>,
  now: number,
): Item {
  for (const name of broken) {
    return name.endsWith('_') ? mustUnderstand(name) : wrongType(name, BASES[name as Base]);
  }
  const strange = Object.keys(fields).find((name) => name.endsWith('_'));
  if (strange !== undefined) return mustUnderstand(strange);
  for (const [name, type] of Object.entries(FIELDS)) {
    if (fields[name] !== undefined && !isOf(fields[name], type)) return wrongType(name, type);
  }
  const { bn = '', bt = 0, bu, bv = 0, bver = 10 } = bases as Record<Base, never>;
  const { n = '', u = bu, t = 0 } = fields as Record<keyof typeof FIELDS, never>;
  if (!Number.isInteger(bver) || (bver & ~KNOWN_FEATURES) !== 0) {
    return refuse('SENML.VERSION', 'bver', `version ${bver} of SenML is not understood, 10 is`);
  }
  const sensor = sensorNamed(`${bn}${n}`, systemId, sensors);
  if (typeof sensor === 'string') return refuse('SENSOR.NOT_FOUND', 'n', sensor);
  const value = valueOf(fields, bv, u, factsOf(sensor.quantity).unit);
  if (typeof value === 'object' && value !== null) return value;
  const seconds = (bt as number) + (t as number);
  const observedAt = Math.round(seconds * 1000) + (seconds < EARLIEST_ABSOLUTE ? now : 0);
  // Beyond what a date can be; nearer impossibilities are the ingest's to refuse.
  if (Math.abs(observedAt) > 8.64e15) return refuse('READING.TIME_FORM', 't', 'the time is out of any range');
  return { sensor: sensor.id, value, observedAt };
}

function valueOf(
  fields: Record<string, unknown>,
  bv: number,
  unit: string | undefined,
  sensorUnit: string,
): number | null | { refusal: Refusal } {
  const { v } = fields;
  if (v === undefined) {
    const other = ['vs', 'vb', 'vd'].find((name) => fields[name] !== undefined);
    if (other !== undefined) return refuse('READING.VALUE_TYPE', other, 'a reading is a number, v');
    if (fields.s !== undefined)
      return refuse('SENML.SUM', 's', 'sums over time are not taken, only values, v');
    return refuse('READING.VALUE_TYPE', 'v', 'the record has no value');
  }
  if (v !== null && !isOf(v, 'number')) {
    return refuse('READING.VALUE_TYPE', 'v', 'v must be a number, or null where the probe failed');
  }
  if (v === null) return null;
  const value = bv + (v as number);
  if (!Number.isFinite(value)) return refuse('READING.VALUE_TYPE', 'v', 'bv + v must be finite');
  if (unit === undefined) return value;
  return (
    convert(value, unit, sensorUnit) ??
    refuse(
      'READING.UNIT',
      'u',
      `${unit.slice(0, 32)} cannot be the unit of this sensor, which measures in ${sensorUnit}`,
    )
  );
}

/**
 * What follows the device or the system in a name is the sensor, its parts joined by hyphens: `urn:dev:mac:0024be:ph`,
 * `greenhouse/tank/ph`. Never less than all of it: `tank/ph` and `sump/ph` are two probes.
 * @returns why not, where there is none.
 */
function sensorNamed(
  name: string,
  systemId: string,
  sensors: ReadonlyMap<string, KnownSensor>,
): KnownSensor | string {
  if (name === '') return 'the record has no name';
  if (!NAME.test(name) || name.length > 256) {
    return 'a name begins with a letter or digit and has letters, digits and - : . / _ only';
  }
  const parts = name.replace(DEVICE_URN, '').split(/[:/]/).filter(Boolean);
  const own = parts.slice(parts.slice(0, -1).lastIndexOf(systemId) + 1);
  const [device, ...rest] = own;
  const found = sensors.get(slug(own)) ?? sensors.get(slug(rest));
  if (found && (found.id === slug(own) || found.device_id === device)) return found;
  return `the system has no sensor "${slug(own).slice(0, 64)}"`;
}

const slug = (parts: string[]): string => parts.join('-').replaceAll('_', '-');

const isOf = (value: unknown, type: 'string' | 'number'): boolean =>
  typeof value === type && (type === 'string' || Number.isFinite(value));

const wrongType = (field: string, type: string): { refusal: Refusal } =>
  refuse('SENML.FIELD_TYPE', field, `${field} must be a ${type}`);

const mustUnderstand = (field: string): { refusal: Refusal } =>
  refuse(
    'SENML.MUST_UNDERSTAND',
    field.slice(0, 64),
    'a field that ends in _ must be understood, and this one is not',
  );
