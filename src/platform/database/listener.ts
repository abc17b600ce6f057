import pg from 'pg';
import type { Logger } from 'pino';

import { atMost, GOODBYE_MS } from './patience.js';
import { connectionOf, type PostgresSettings } from './postgres.js';

const AGAIN_AFTER_MS = 1_000;

/** Hears what other replicas tell by NOTIFY, over a connection of its own; comes back by itself when that is lost. */
export class PostgresListener {
  private client: pg.Client | undefined;
  private again: NodeJS.Timeout | undefined;
  private isStopped = false;
  private hasListened = false;

  constructor(
    private readonly settings: PostgresSettings,
    private readonly channel: string,
    private readonly onPayload: (payload: string) => void,
    /** It listens again; what was told meanwhile is lost. */
    private readonly onGap: () => void,
    private readonly logger: Pick<Logger, 'warn'>,
  ) {
    void this.connect();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.again);
    if (this.client)
      await atMost(
        GOODBYE_MS,
        this.client.end().catch(() => undefined),
      );
  }

  private async connect(): Promise<void> {
    const client = new pg.Client(connectionOf(this.settings));
    this.client = client;
    client.on('notification', ({ payload }) => this.onPayload(payload ?? ''));
    client.on('error', (error) => this.lose(client, error));
    client.on('end', () => this.lose(client));
    try {
      await client.connect();
      await client.query(`listen ${this.channel}`);
      if (this.hasListened) this.onGap();
      this.hasListened = true;
    } catch (error) {
      this.lose(client, error);
    }
  }

  /** Once for each client, however many ways it says so. */
  private lose(client: pg.Client, error?: unknown): void {
    if (this.client !== client || this.isStopped) return;
    this.client = undefined;
    this.logger.warn({ err: error }, 'other replicas cannot be heard for now');
    void client.end().catch(() => undefined);
    this.again = setTimeout(() => void this.connect(), AGAIN_AFTER_MS);
  }
}
