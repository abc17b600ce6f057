/** `value` in a sensor's unit = value as it came × `times` + `plus`. */
interface Conversion {
  times: number;
  plus: number;
}

const times = (factor: number): Conversion => ({ times: factor, plus: 0 });
const SAME = times(1);

/**
 * By the unit of a sensor (UCUM), the units that a SenML record may name instead: those of the SenML registry and its
 * secondary units (RFC 8428, RFC 8798), and what firmware writes though no registry has it.
 */
const CONVERSIONS: Record<string, Record<string, Conversion>> = {
  Cel: { K: { times: 1, plus: -273.15 }, degC: SAME, '[degF]': { times: 5 / 9, plus: -160 / 9 } },
  '[pH]': { pH: SAME },
  'mg/L': {
    'mg/l': SAME,
    'kg/m3': times(1000),
    'g/L': times(1000),
    'g/l': times(1000),
    'ug/L': times(0.001),
    'ug/l': times(0.001),
    // Of dissolved matter in fresh water.
    ppm: SAME,
  },
  'uS/cm': {
    'S/m': times(10_000),
    'mS/m': times(10),
    'dS/m': times(1000),
    'mS/cm': times(1000),
    'S/cm': times(1_000_000),
  },
  '%': { '/': times(100), '/100': SAME, '%RH': SAME, '%FS': SAME },
  'L/min': {
    'l/min': SAME,
    'l/s': times(60),
    'L/s': times(60),
    'm3/s': times(60_000),
    'm3/h': times(1000 / 60),
  },
  '[NTU]': { NTU: SAME },
  lx: { klx: times(1000) },
  ppm: { '/': times(1_000_000), '[ppm]': SAME },
  '1': { count: SAME, '/': SAME },
  cm: { m: times(100), mm: times(0.1) },
  g: { kg: times(1000), mg: times(0.001) },
  kPa: { Pa: times(0.001), hPa: times(0.1) },
};

/** @returns undefined where the unit cannot be of what the sensor measures. */
export function convert(value: number, from: string, to: string): number | undefined {
  if (from === to) return value;
  const known = CONVERSIONS[to];
  if (!known || !Object.hasOwn(known, from)) return undefined;
  const conversion = known[from]!;
  // 299.55 − 273.15 is 26.400000000000034 to a computer.
  return Number((value * conversion.times + conversion.plus).toPrecision(12));
}
