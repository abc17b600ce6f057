import { ProblemType } from '../http/problem.js';

export const STORE_UNAVAILABLE = new ProblemType(
  'STORE.UNAVAILABLE',
  503,
  'The database cannot be used just now; nothing of this request is certain to be stored: send it again',
);

/** When to ask again, in seconds. */
export const RETRY_AFTER = { 'retry-after': '5' };

const SOCKET_ERRORS = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);
const SOCKET_CALLS = new Set(['connect', 'read', 'write', 'getaddrinfo']);

/**
 * SQLSTATE: connection, resources (memory, disk, connections), shutting down or starting up, cancelled for its time,
 * locked, deadlocked, read-only (a standby that has not taken over yet), a broken disk.
 */
const POSTGRES_STATES = /^(08...|53...|57P0[1-5]|57014|55P03|40001|40P01|25006|25P0[23]|58030)$/;

/** What `pg` says of a connection has no code. */
const POSTGRES_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|Postgres connection has been discarded|driver has already been destroyed)/;

/** Primary result codes of SQLite: busy, locked, read-only, input or output error, full, cannot open. */
const SQLITE_CODES = new Set([5, 6, 8, 10, 13, 14]);

/** Whether the store could not do its work for now, so that the same request may succeed later. */
export function isStoreUnavailable(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, errcode, syscall, message, errors } = error as {
    code?: unknown;
    errcode?: number;
    syscall?: string;
    message?: string;
    errors?: unknown;
  };
  if (code === 'ERR_SQLITE_ERROR') return SQLITE_CODES.has((errcode ?? 0) & 0xff);
  // One for each address of a host.
  if (Array.isArray(errors)) return errors.some(isStoreUnavailable);
  if (typeof code === 'string') {
    if (SOCKET_ERRORS.has(code)) return syscall !== undefined && SOCKET_CALLS.has(syscall);
    // Only PostgreSQL's own errors have a severity.
    return 'severity' in error && POSTGRES_STATES.test(code);
  }
  return POSTGRES_MESSAGES.test(message ?? '');
}
