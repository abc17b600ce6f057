import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';

import { CONFIG, type Config } from '../platform/config.js';
import { PostgresListener } from '../platform/database/listener.js';
import { type EventPayloads, Events } from '../platform/events.js';
import { LOGGER } from '../platform/logging.js';

/** Where a commit is told to other replicas, in the transaction itself. */
export const COMMITTED_CHANNEL = 'aquaponia_committed';

/** By this a replica knows its own words. */
const SELF = randomUUID();
/** A notification holds 8,000 bytes. */
const MOST_TOLD = 500;

type Committed = EventPayloads['readings.committed'];

export const tellCommitted = ({ systemIds, sensors, receivedAt }: Committed): string =>
  JSON.stringify({
    from: SELF,
    systemIds: systemIds.slice(0, MOST_TOLD / 10),
    sensors: sensors.slice(0, MOST_TOLD),
    receivedAt,
  });

/** Readings that another replica has committed are news here too. */
@Injectable()
export class ReplicaNews implements OnApplicationBootstrap, OnApplicationShutdown {
  private listener: PostgresListener | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly events: Events,
  ) {}

  onApplicationBootstrap(): void {
    const { postgres } = this.config;
    if (!postgres) return;
    this.listener = new PostgresListener(
      postgres,
      COMMITTED_CHANNEL,
      (payload) => {
        const { from, ...committed } = JSON.parse(payload) as Committed & { from: string };
        if (from !== SELF) this.events.emit('readings.committed', committed);
      },
      () => this.events.emit('replicas.unheard', {}),
      this.logger,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.listener?.stop();
  }
}
