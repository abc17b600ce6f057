const KELVIN = 273.15;
const KPA_PER_ATM = 101.325;

/**
 * The share of total ammonia that is un-ionised, 0 to 1, in fresh water (Emerson et al. 1975).
 * @param temperatureC 0 to 30 °C in the source
 */
export function unionisedAmmoniaFraction(temperatureC: number, ph: number): number {
  const pKa = 0.09018 + 2729.92 / (temperatureC + KELVIN);
  return 1 / (1 + 10 ** (pKa - ph));
}

/** The pressure of the standard atmosphere, in kPa, at a height in metres (ISO 2533, below 11 km). */
export function pressureAt(altitudeM: number): number {
  return KPA_PER_ATM * (1 - 2.25577e-5 * altitudeM) ** 5.25588;
}

/**
 * Oxygen in air-saturated fresh water, mg/L (Benson & Krause 1984, as APHA 4500-O has it).
 * @param temperatureC 0 to 40 °C
 * @param pressureKpa of the air, not reduced to sea level
 */
export function saturatedOxygen(temperatureC: number, pressureKpa: number = KPA_PER_ATM): number {
  const t = temperatureC + KELVIN;
  const atSeaLevel = Math.exp(
    -139.34411 + 1.575701e5 / t - 6.642308e7 / t ** 2 + 1.2438e10 / t ** 3 - 8.621949e11 / t ** 4,
  );
  const p = pressureKpa / KPA_PER_ATM;
  const vapour = Math.exp(11.8571 - 3840.7 / t - 216961 / t ** 2);
  const theta = 0.000975 - 1.426e-5 * temperatureC + 6.436e-8 * temperatureC ** 2;
  return (atSeaLevel * p * (1 - vapour / p) * (1 - theta * p)) / ((1 - vapour) * (1 - theta));
}

/** What air can hold of water vapour, kPa (Tetens 1930, as FAO Irrigation and Drainage Paper 56, equation 11, has it). */
export const saturationVapourPressure = (temperatureC: number): number =>
  0.6108 * Math.exp((17.27 * temperatureC) / (temperatureC + 237.3));

/** How much more vapour the air could take, kPa: what pulls water through a plant (FAO-56, equations 11 and 19). */
export const vapourPressureDeficit = (temperatureC: number, humidityPercent: number): number =>
  saturationVapourPressure(temperatureC) * (1 - humidityPercent / 100);

/** A day's share of warmth, Cel.d (McMaster & Wilhelm 1997, method 1). */
export const degreeDays = (minimumC: number, maximumC: number, baseC: number): number =>
  Math.max(0, (minimumC + maximumC) / 2 - baseC);

/** What a pH electrode gives for each unit of pH, mV (Nernst): 59.16 at 25 Cel. It falls as the pH rises. */
export const nernstSlope = (temperatureC: number): number => 0.198416 * (temperatureC + KELVIN);
