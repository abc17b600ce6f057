/** What a quantity is, whoever measures it. */
export interface QuantityFacts {
  /** UCUM. */
  unit: string;
  /** What a working probe can report in the water or air of a farm; anything else is a fault, not a value. */
  physical: [minimum: number, maximum: number];
  /** Figures inside `physical` that a failed probe reports. */
  sentinels: number[];
  /** A reading older than this says nothing of now. */
  staleAfterMs: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const PROBE = 10 * MINUTE_MS;
/** Tested by hand, by strip or kit, once in a while. */
const HAND_TEST = 3 * DAY_MS;
const PHOTO = DAY_MS;

/**
 * −127, 85 and 255 are what DS18B20 and PT1000 boards report without a probe; they lie outside of `physical` where it
 * is narrow enough, and are listed where it is not. Zero oxygen is a dead membrane: water with fish has some.
 */
export const QUANTITIES = {
  'water-temperature': { unit: 'Cel', physical: [-2, 50], sentinels: [], staleAfterMs: PROBE },
  ph: { unit: '[pH]', physical: [0, 14], sentinels: [0, 14], staleAfterMs: PROBE },
  'dissolved-oxygen': { unit: 'mg/L', physical: [0, 20], sentinels: [0], staleAfterMs: PROBE },
  'electrical-conductivity': { unit: 'uS/cm', physical: [0, 20_000], sentinels: [], staleAfterMs: PROBE },
  'total-ammonia-nitrogen': { unit: 'mg/L', physical: [0, 100], sentinels: [], staleAfterMs: HAND_TEST },
  nitrite: { unit: 'mg/L', physical: [0, 100], sentinels: [], staleAfterMs: HAND_TEST },
  nitrate: { unit: 'mg/L', physical: [0, 5_000], sentinels: [], staleAfterMs: HAND_TEST },
  'water-level': { unit: '%', physical: [0, 150], sentinels: [], staleAfterMs: PROBE },
  'flow-rate': { unit: 'L/min', physical: [0, 10_000], sentinels: [], staleAfterMs: PROBE },
  turbidity: { unit: '[NTU]', physical: [0, 4_000], sentinels: [], staleAfterMs: PROBE },
  'air-temperature': { unit: 'Cel', physical: [-40, 60], sentinels: [], staleAfterMs: PROBE },
  'relative-humidity': { unit: '%', physical: [0, 100], sentinels: [0], staleAfterMs: PROBE },
  illuminance: { unit: 'lx', physical: [0, 200_000], sentinels: [], staleAfterMs: PROBE },
  co2: { unit: 'ppm', physical: [0, 10_000], sentinels: [0], staleAfterMs: PROBE },
  'fish-count': { unit: '1', physical: [0, 1_000_000], sentinels: [], staleAfterMs: 30 * DAY_MS },
  'fish-length': { unit: 'cm', physical: [0, 300], sentinels: [0], staleAfterMs: 30 * DAY_MS },
  'fish-weight': { unit: 'g', physical: [0, 300_000], sentinels: [0], staleAfterMs: 30 * DAY_MS },
  'canopy-cover': { unit: '%', physical: [0, 100], sentinels: [], staleAfterMs: PHOTO },
  greenness: { unit: '1', physical: [-2, 2], sentinels: [], staleAfterMs: PHOTO },
  yellowing: { unit: '%', physical: [0, 100], sentinels: [], staleAfterMs: PHOTO },
  browning: { unit: '%', physical: [0, 100], sentinels: [], staleAfterMs: PHOTO },
} as const satisfies Record<string, QuantityFacts>;

export type Quantity = keyof typeof QUANTITIES;

export const QUANTITY_NAMES = Object.keys(QUANTITIES) as Quantity[];

export const factsOf = (quantity: Quantity): QuantityFacts => QUANTITIES[quantity];
