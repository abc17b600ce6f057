import { describe, expect, it } from '@jest/globals';

import { hashOfCode, lettersOf, newClaimCode } from './claim-codes.js';

describe('a claim code', () => {
  it('has eight letters that cannot be taken for others, and never comes twice', () => {
    const codes = Array.from({ length: 1000 }, newClaimCode);
    for (const code of codes) expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(new Set(codes).size).toBe(codes.length);
    // Each letter of the alphabet is as good as the others.
    expect(new Set(codes.join('').replaceAll('-', '')).size).toBe(32);
  });

  it.each(['1A0B-1C0D', '1a0b-1c0d', ' 1a0b1c0d\n', 'iaob-lcod', '1A0B 1C0D'])(
    'is understood as it is typed: %j',
    (typed) => expect(lettersOf(typed)).toBe('1A0B1C0D'),
  );

  it('is not another one that begins the same', async () => {
    const hash = await hashOfCode('1A0B-1C0D');
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashOfCode('1a0b1c0d')).toBe(hash);
    for (const other of ['1A0B-1C0E', '1A0B-1C0D2', '1A0B-1C0', '']) {
      expect(await hashOfCode(other)).not.toBe(hash);
    }
  });
});
