export class Liveness {
  /** @example alive */
  status: 'alive';

  /**
   * The host that answered.
   * @example aquaponia-1
   */
  host: string;
}

export class Readiness {
  /** @example ready */
  status: 'ready' | 'unready';

  /**
   * The host that answered.
   * @example aquaponia-1
   */
  host: string;

  /**
   * What each part says of itself: the database, each pool of workers, the newest reading.
   * @example { "database": { "ready": true }, "readings": { "ready": true, "newestReadingAgeSeconds": 12 } }
   */
  parts: Record<string, unknown>;
}
