import { fromJson, type Item, type Refusal, refuse } from '../ingest.js';

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** What firmware says of a probe that gave nothing. */
const NOTHING = new Set(['', 'nan', 'null', 'none', 'unavailable', 'unknown', 'inf', '+inf', '-inf']);
const SENML_LABELS = ['n', 'v', 'u', 't', 'vs', 'vb', 'vd', 'bn', 'bt', 'bu', 'bv', 'bver', 's'];

/** What only makes sense together with the sensors that there are. */
export interface SenmlPack {
  senml: unknown[];
}

const strict = new TextDecoder('utf-8', { fatal: true });

/** A payload that can be nothing to us, whoever sends it again. */
export class PayloadError extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.message);
  }
}

const fail = (code: string, message: string): PayloadError =>
  new PayloadError(refuse(code, '', message).refusal);

/** @throws PayloadError */
export function textOf(payload: Buffer): string {
  try {
    return strict.decode(payload).trim();
  } catch {
    throw fail('MQTT.NOT_UTF8', 'the payload is not UTF-8');
  }
}

/** A number, null where the probe says that it has none, and undefined where it is neither. */
export function numberOf(text: string): number | null | undefined {
  if (NUMBER.test(text)) return Number(text);
  return NOTHING.has(text.toLowerCase()) ? null : undefined;
}

/** @throws PayloadError */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw fail('MQTT.NOT_A_READING', 'the payload is neither a number nor JSON');
  }
}

/**
 * What a message on the topic of a system, or of one of its sensors, reports: a plain number, an object, a batch of
 * objects, or SenML.
 * @throws PayloadError
 */
export function parsePayload(payload: Buffer, sensor: string | undefined): Item[] | SenmlPack {
  const text = textOf(payload);
  if (sensor !== undefined) {
    const value = numberOf(text);
    if (value !== undefined) return [{ sensor, value }];
  }
  const json = jsonOf(text);
  if (typeof json !== 'object' || json === null) {
    throw fail('MQTT.NOT_A_READING', 'a number needs the topic of a sensor; other values are no readings');
  }
  if (isSenml(json)) return { senml: withName(json, sensor) };
  return batchOf(json).map((item) => named(item, sensor));
}

function batchOf(json: object): unknown[] {
  if (Array.isArray(json)) return json;
  const { readings } = json as { readings?: unknown };
  return Array.isArray(readings) ? readings : [json];
}

/** A pack that names nothing is of the sensor whose topic it comes on. */
function withName(records: unknown[], sensor: string | undefined): unknown[] {
  const isNamed = records.some((record) => record instanceof Object && ('n' in record || 'bn' in record));
  return sensor === undefined || isNamed ? records : [{ bn: sensor }, ...records];
}

function isSenml(json: object): json is unknown[] {
  if (!Array.isArray(json)) return false;
  const [first] = json as unknown[];
  if (typeof first !== 'object' || first === null) return false;
  return SENML_LABELS.some((label) => label in first);
}

/** On the topic of a sensor, an item need not name it, and cannot name another. */
function named(item: unknown, sensor: string | undefined): Item {
  if (sensor === undefined) return fromJson(item);
  if (typeof item === 'number' || item === null) return { sensor, value: item };
  if (typeof item !== 'object' || Array.isArray(item)) return fromJson(item);
  const own = (item as { sensor?: unknown }).sensor ?? sensor;
  if (own !== sensor) return refuse('MQTT.OTHER_SENSOR', 'sensor', 'this is the topic of another sensor');
  return fromJson({ ...item, sensor });
}

/** What stands at a dotted path (`DS18B20.Temperature`); undefined where there is nothing. */
export function fieldOf(json: unknown, path: string): unknown {
  let found = json;
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}
