import { ApiProperty } from '@nestjs/swagger';

/** A record of RFC 8428. Base fields hold from their record on; names, units and times are resolved with them. */
export class SenmlRecord {
  /**
   * Base name: what the names begin with.
   * @example 'urn:dev:mac:0024befffe804ff1:'
   */
  bn?: string;

  /**
   * Base time, in seconds.
   * @example 0
   */
  bt?: number;

  /**
   * Base unit.
   * @example Cel
   */
  bu?: string;

  /**
   * Base value: added to each value.
   * @example 0
   */
  bv?: number;

  /**
   * Base sum; sums are not taken.
   * @example 0
   */
  bs?: number;

  /**
   * The version of SenML.
   * @example 10
   */
  bver?: number;

  /**
   * The sensor, after the base name.
   * @example water-temperature
   */
  n?: string;

  /**
   * The unit, of the SenML registry, of its secondary units, or of UCUM; the sensor's own where none is named.
   * @example Cel
   */
  u?: string;

  /**
   * The value; null where the probe failed.
   * @example 26.4
   */
  @ApiProperty({ type: Number, nullable: true, required: false, example: 26.4 })
  v?: number | null;

  /**
   * Seconds, added to the base time: since 1970, or relative to now where the sum is below 2^28.
   * @example -10
   */
  t?: number;

  /**
   * When to expect the next record; not looked at.
   * @example 60
   */
  ut?: number;
}
