/** What a quantity is, whoever measures it. */
export interface QuantityFacts {
  /** UCUM. */
  unit: string;
  /** What a working probe can report in the water or air of a farm; anything else is a fault, not a value. */
  physical: [minimum: number, maximum: number];
  /** Figures that a failed probe reports in place of a value. */
  sentinels: number[];
  /** A reading older than this says nothing of now. */
  staleAfterMs: number;
  /** No working probe moves faster than this from one reading to the next, per minute; null: some do. */
  maxPerMinute: number | null;
  /** The same raw figure reported over and over for longer than this is a probe that measures no more; null: it may rest. */
  stuckAfterMs: number | null;
  /** Going up and down by more than this at each of four readings in a row is noise; null: it may. */
  noiseAbove: number | null;
  /** Two sensors of it at one place may differ by this much. */
  tolerance: number;
  /** A probe of it is to be calibrated this often; null: never. */
  calibrateEveryDays: number | null;
  /** Computed from others: no device reports it. */
  isDerived: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const PROBE = 10 * MINUTE_MS;
/** Tested by hand, by strip or kit, once in a while. */
const HAND_TEST = 3 * DAY_MS;
const PHOTO = DAY_MS;
const COUNTED = 30 * DAY_MS;

/** What most quantities have in common: they may rest, jump and need no buffer bottle. */
const USUAL = {
  sentinels: [] as number[],
  maxPerMinute: null as number | null,
  stuckAfterMs: null as number | null,
  noiseAbove: null as number | null,
  calibrateEveryDays: null as number | null,
  isDerived: false,
};

/** DS18B20: −127 where it does not answer, 85 before its first conversion; 255 is a PT1000 amplifier's open wire. */
const THERMOMETER = [-127, 85, 255, -9999];
/** What loggers write where they have nothing. */
const LOGGER = [-9999];

/**
 * `physical`, `sentinels`: by data sheet and by what the recordings of real farms contain. Zero oxygen is a dead membrane
 * (water with fish has some), zero EC a probe in air, zero CO2 or humidity a sensor that has not warmed up.
 *
 * `maxPerMinute` is what a working probe shows at the most, even when someone lifts it out of the water: the steepest
 * step it can follow, not what the farm does. Response times from data sheets: DS18B20 in a steel sleeve about 10 s;
 * galvanic oxygen probe T90 45 s; pH glass T95 10 s. In two months of a hydroponic garden the steepest were 0.2 Cel (water),
 * 0.7 Cel (air), 2.6 % of humidity, 24 uS/cm and 190 ppm a minute. What can be switched (flow, light), and what
 * clouds of silt do to turbidity, has no such limit.
 *
 * `stuckAfterMs` lets a DHT22 (0.1 Cel) rest over a calm night. Turbidity, ammonia, nitrite and flow rest at the end of their
 * scale for weeks where all is well.
 *
 * `calibrateEveryDays`: what makers of probes for continuous use recommend (pH and oxygen monthly, EC by the quarter).
 */
export const QUANTITIES = {
  'water-temperature': {
    ...USUAL,
    unit: 'Cel',
    physical: [-2, 50],
    sentinels: THERMOMETER,
    staleAfterMs: PROBE,
    maxPerMinute: 10,
    stuckAfterMs: DAY_MS,
    noiseAbove: 2,
    tolerance: 1,
  },
  ph: {
    ...USUAL,
    unit: '[pH]',
    physical: [0, 14],
    sentinels: [0, 14, ...LOGGER],
    staleAfterMs: PROBE,
    maxPerMinute: 3,
    stuckAfterMs: 12 * HOUR_MS,
    noiseAbove: 1,
    tolerance: 0.3,
    calibrateEveryDays: 30,
  },
  'dissolved-oxygen': {
    ...USUAL,
    unit: 'mg/L',
    physical: [0, 20],
    sentinels: [0, ...LOGGER],
    staleAfterMs: PROBE,
    maxPerMinute: 12,
    stuckAfterMs: 6 * HOUR_MS,
    noiseAbove: 6,
    tolerance: 1,
    calibrateEveryDays: 30,
  },
  'electrical-conductivity': {
    ...USUAL,
    unit: 'uS/cm',
    physical: [0, 20_000],
    sentinels: [0, ...LOGGER],
    staleAfterMs: PROBE,
    maxPerMinute: 2_000,
    stuckAfterMs: DAY_MS,
    noiseAbove: 300,
    tolerance: 150,
    calibrateEveryDays: 90,
  },
  'total-ammonia-nitrogen': {
    ...USUAL,
    unit: 'mg/L',
    physical: [0, 100],
    sentinels: LOGGER,
    staleAfterMs: HAND_TEST,
    tolerance: 0.5,
  },
  nitrite: {
    ...USUAL,
    unit: 'mg/L',
    physical: [0, 100],
    sentinels: LOGGER,
    staleAfterMs: HAND_TEST,
    tolerance: 0.5,
  },
  nitrate: {
    ...USUAL,
    unit: 'mg/L',
    physical: [0, 5_000],
    sentinels: LOGGER,
    staleAfterMs: HAND_TEST,
    tolerance: 20,
  },
  'water-level': {
    ...USUAL,
    unit: '%',
    physical: [0, 150],
    sentinels: LOGGER,
    staleAfterMs: PROBE,
    noiseAbove: 30,
    tolerance: 10,
  },
  'flow-rate': {
    ...USUAL,
    unit: 'L/min',
    physical: [0, 10_000],
    sentinels: LOGGER,
    staleAfterMs: PROBE,
    tolerance: 5,
  },
  turbidity: {
    ...USUAL,
    unit: '[NTU]',
    physical: [0, 4_000],
    sentinels: LOGGER,
    staleAfterMs: PROBE,
    tolerance: 50,
    calibrateEveryDays: 90,
  },
  'air-temperature': {
    ...USUAL,
    unit: 'Cel',
    physical: [-40, 60],
    sentinels: THERMOMETER,
    staleAfterMs: PROBE,
    maxPerMinute: 10,
    stuckAfterMs: DAY_MS,
    noiseAbove: 5,
    tolerance: 2,
  },
  'relative-humidity': {
    ...USUAL,
    unit: '%',
    physical: [0, 100],
    sentinels: [0, 255, ...LOGGER],
    staleAfterMs: PROBE,
    maxPerMinute: 40,
    noiseAbove: 20,
    tolerance: 10,
  },
  illuminance: {
    ...USUAL,
    unit: 'lx',
    physical: [0, 200_000],
    sentinels: LOGGER,
    staleAfterMs: PROBE,
    tolerance: 20_000,
  },
  co2: {
    ...USUAL,
    unit: 'ppm',
    physical: [0, 10_000],
    sentinels: [0, ...LOGGER],
    staleAfterMs: PROBE,
    maxPerMinute: 2_000,
    stuckAfterMs: DAY_MS,
    noiseAbove: 500,
    tolerance: 150,
  },
  'fish-count': {
    ...USUAL,
    unit: '1',
    physical: [0, 1_000_000],
    staleAfterMs: COUNTED,
    tolerance: 0,
  },
  'fish-length': {
    ...USUAL,
    unit: 'cm',
    physical: [0, 300],
    sentinels: [0],
    staleAfterMs: COUNTED,
    tolerance: 2,
  },
  'fish-weight': {
    ...USUAL,
    unit: 'g',
    physical: [0, 300_000],
    sentinels: [0],
    staleAfterMs: COUNTED,
    tolerance: 50,
  },
  'canopy-cover': { ...USUAL, unit: '%', physical: [0, 100], staleAfterMs: PHOTO, tolerance: 10 },
  greenness: { ...USUAL, unit: '1', physical: [-2, 2], staleAfterMs: PHOTO, tolerance: 0.2 },
  yellowing: { ...USUAL, unit: '%', physical: [0, 100], staleAfterMs: PHOTO, tolerance: 10 },
  browning: { ...USUAL, unit: '%', physical: [0, 100], staleAfterMs: PHOTO, tolerance: 10 },
  'un-ionised-ammonia': {
    ...USUAL,
    unit: 'mg/L',
    physical: [0, 100],
    staleAfterMs: HAND_TEST,
    tolerance: 0.02,
    isDerived: true,
  },
  'oxygen-saturation': {
    ...USUAL,
    unit: '%',
    physical: [0, 500],
    staleAfterMs: PROBE,
    tolerance: 10,
    isDerived: true,
  },
  'vapour-pressure-deficit': {
    ...USUAL,
    unit: 'kPa',
    physical: [0, 25],
    staleAfterMs: PROBE,
    tolerance: 0.5,
    isDerived: true,
  },
  'degree-days': {
    ...USUAL,
    unit: 'Cel.d',
    physical: [0, 60],
    staleAfterMs: 2 * DAY_MS,
    tolerance: 1,
    isDerived: true,
  },
} as const satisfies Record<string, QuantityFacts>;

export type Quantity = keyof typeof QUANTITIES;

export const QUANTITY_NAMES = Object.keys(QUANTITIES) as Quantity[];

export const factsOf = (quantity: Quantity): QuantityFacts => QUANTITIES[quantity];

/** What a device may report. */
export const MEASURED_QUANTITY_NAMES = QUANTITY_NAMES.filter((name) => !factsOf(name).isDerived);
