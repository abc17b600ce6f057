import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import Cursor from 'pg-cursor';

import { type Migrations, migrate } from './migrate.js';
import { isStoreUnavailable } from './unavailable.js';

export interface PostgresSettings {
  url: string;
  /** PEM; whom to trust, in place of what the system trusts. */
  caCert: string | undefined;
  poolSize: number;
  connectMs: number;
  statementMs: number;
}

/** What PostgreSQL was told to stop after, it has stopped well before this: so a silence is the connection's. */
const BEYOND_STATEMENT_MS = 5_000;
const IDLE_IN_TRANSACTION_MS = 60_000;
const KEEP_ALIVE_MS = 10_000;
/** Compose starts both at once, and a restarted PostgreSQL may have to recover first. */
const START_PATIENCE_MS = 30_000;
const START_PAUSE_MS = 500;
/** Any number that nobody else locks: "aqua". */
const MIGRATION_LOCK = 0x61717561;

const INT8 = 20;
const NUMERIC = 1700;

/** Numbers as numbers: what is counted or timed here stays far below 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format)) as (
      text: string,
    ) => unknown,
};

/** Gives up a connection on which an answer is overdue: it leads nowhere any more, and the pool would use it again. */
class ImpatientClient extends pg.Client {
  override query(...args: unknown[]): never {
    const answer = (super.query as (...args: unknown[]) => unknown).apply(this, args);
    if (answer instanceof Promise) {
      answer.catch((error: Error) => {
        if (error.message === 'Query read timeout') void this.end();
      });
    }
    return answer as never;
  }
}

export function openPool(settings: PostgresSettings, onError: (error: Error) => void): pg.Pool {
  const { poolSize, connectMs, statementMs } = settings;
  const pool = new pg.Pool({
    ...connectionOf(settings),
    Client: ImpatientClient,
    max: poolSize,
    connectionTimeoutMillis: connectMs,
    statement_timeout: statementMs,
    query_timeout: statementMs > 0 ? statementMs + BEYOND_STATEMENT_MS : 0,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  });
  pool.on('error', onError);
  // The pool listens to idle clients only; one that is lost between two statements of a transaction would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

export const kyselyOver = (pool: pg.Pool): Kysely<unknown> =>
  new Kysely<unknown>({ dialect: new PostgresDialect({ pool, cursor: Cursor }) });

/** Brings the tables up to date, one process at a time; waits for a PostgreSQL that is still starting. */
export async function migratePostgres(
  settings: PostgresSettings,
  migrations: Migrations,
  say: (text: string) => void,
): Promise<void> {
  const giveUpAt = Date.now() + START_PATIENCE_MS;
  for (let hasSaid = false; ; hasSaid = true) {
    // On a connection of its own, since a migration may take long, and so may waiting for another process's.
    const pool = openPool({ ...settings, poolSize: 1, statementMs: 0 }, () => undefined);
    const database = kyselyOver(pool);
    try {
      // Not left to the migrator: it makes its own tables before it locks.
      await sql`select pg_advisory_lock(${sql.lit(MIGRATION_LOCK)})`.execute(database);
      return await migrate(database, migrations);
    } catch (error) {
      if (!isStoreUnavailable(error) || Date.now() > giveUpAt) throw explained(error, settings);
      if (!hasSaid) say(`${whereOf(settings)} does not answer yet (${reasonOf(error)}); waiting for it`);
    } finally {
      await database.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
  }
}

export const connectionOf = ({ url, caCert }: PostgresSettings): pg.ClientConfig => {
  const parsed = new URL(url);
  const mode = parsed.searchParams.get('sslmode');
  parsed.searchParams.delete('sslmode');
  return {
    connectionString: parsed.href,
    ssl: tlsOf(mode, caCert),
    types,
    application_name: 'aquaponia',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  };
};

/** As PostgreSQL's own clients read it; `require` alone encrypts, and asks nobody who the server is. */
function tlsOf(mode: string | null, caCert: string | undefined): pg.ClientConfig['ssl'] {
  const ca = caCert && { ca: caCert };
  switch (mode ?? (caCert ? 'verify-full' : 'disable')) {
    case 'disable':
      return false;
    case 'require':
      return ca ? { ...ca, checkServerIdentity: () => undefined } : { rejectUnauthorized: false };
    case 'verify-ca':
      return { ...ca, checkServerIdentity: () => undefined };
    default:
      return { ...ca };
  }
}

/** Without the user's name and password. */
export function whereOf({ url }: PostgresSettings): string {
  const { hostname, port, pathname, searchParams } = new URL(url);
  return `PostgreSQL at ${searchParams.get('host') ?? hostname}:${port || 5432}${pathname}`;
}

const reasonOf = (error: unknown): string => {
  const first = error instanceof AggregateError ? (error.errors[0] as Error) : (error as Error);
  return first.message;
};

function explained(error: unknown, settings: PostgresSettings): unknown {
  const { code } = error as { code?: string };
  const isOfConnection =
    isStoreUnavailable(error) ||
    /^(28...|3D000|42501)$/.test(code ?? '') ||
    /SSL|certificate|self-signed|altnames|SASL|password/i.test(reasonOf(error));
  if (!isOfConnection) return error;
  return new Error(
    `${whereOf(settings)} cannot be used (${reasonOf(error)}): correct DATABASE_URL, or see to it that PostgreSQL runs there`,
    { cause: error },
  );
}
