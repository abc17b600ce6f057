import { ProblemDetails } from '../../platform/http/problem.js';

export class LineRefusal {
  /**
   * Counted from 1.
   * @example 3
   */
  line: number;

  /** @example SENSOR.NOT_FOUND */
  code: string;

  /**
   * The field of the point, where it is one of them.
   * @example sensor
   */
  field: string;

  /** @example 'the system has no such sensor' */
  message: string;
}

/** Problem details, with the members that clients of InfluxDB read. */
export class LinesRefused extends ProblemDetails {
  /**
   * The same as `detail`.
   * @example '1 of 3 readings was refused: line 3: the system has no such sensor'
   */
  message: string;

  /**
   * The same once more, where clients of InfluxDB 1 look for it.
   * @example 'partial write: 1 of 3 readings was refused: line 3: the system has no such sensor'
   */
  error: string;

  /**
   * The first line of which something was refused.
   * @example 3
   */
  line: number;

  /**
   * Readings that are on the disk now.
   * @example 2
   */
  stored: number;

  /**
   * Readings that were there before.
   * @example 0
   */
  duplicates: number;

  /** @example 1 */
  refused: number;

  /** What was refused; the first hundred. */
  lines: LineRefusal[];
}

export class InfluxHealth {
  /** @example aquaponia */
  name: string;

  /** @example pass */
  status: 'pass' | 'fail';

  /** @example 'ready for writes' */
  message: string;
}
