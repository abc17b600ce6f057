import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** Without I, L, O and U (Crockford's base 32): what a person reads off a screen and types has one reading. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 8;

const derive = promisify<string, string, number, Buffer>(scrypt);

/** 40 random bits. */
export function newClaimCode(): string {
  const letters = Array.from(randomBytes(LENGTH), (byte) => ALPHABET[byte % ALPHABET.length]!).join('');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** The code's letters, however it was typed; what is no code stays some text that is none. */
export function lettersOf(typed: string): string {
  return typed
    .toUpperCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
    .slice(0, LENGTH + 1);
}

/**
 * 40 bits are soon tried out by whoever reads the database, and an hour is not: a slow hash makes them last. It is
 * looked up, so that all have the same salt.
 */
export async function hashOfCode(code: string): Promise<string> {
  return (await derive(lettersOf(code), 'aquaponia claim code', 32)).toString('hex');
}

export const isSameHash = (one: string, other: string): boolean =>
  timingSafeEqual(Buffer.from(one), Buffer.from(other));
