import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';

import { ask, Postgres } from './postgres.js';
import { Server } from './server.js';

export const STORES = ['sqlite', 'postgres'] as const;

/** The service on either store: on PostgreSQL two replicas of it, which share the work. */
export class Deployment {
  private constructor(
    readonly servers: Server[],
    private readonly postgres: Postgres | undefined,
    private readonly url: string | undefined,
  ) {}

  static async start(kind: (typeof STORES)[number]): Promise<Deployment> {
    if (kind === 'sqlite') return new Deployment([await Server.start()], undefined, undefined);
    const postgres = await Postgres.start();
    const url = await postgres.database();
    const first = await Server.start({ DATABASE_URL: url });
    return new Deployment([first, await Server.start({ DATABASE_URL: url })], postgres, url);
  }

  get first(): Server {
    return this.servers[0]!;
  }

  get last(): Server {
    return this.servers[this.servers.length - 1]!;
  }

  async select<Row>(sql: string): Promise<Row[]> {
    if (this.url) return ask(this.url, sql) as Promise<Row[]>;
    const database = new DatabaseSync(join(this.first.dataDir, 'aquaponia.db'), { readOnly: true });
    try {
      return database
        .prepare(sql)
        .all()
        .map((row) => ({ ...row })) as Row[];
    } finally {
      database.close();
    }
  }

  async stop(): Promise<void> {
    for (const server of this.servers) await server.stop();
    await this.postgres?.stop();
  }
}
