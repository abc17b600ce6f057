import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';

import { cutter, MAX_PACKET_BYTES } from './bounded-packets.js';

function packet(type: number, body: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = body.length, more = true; more; rest >>= 7) {
    more = rest > 127;
    length.push((rest & 127) | (more ? 128 : 0));
  }
  return Buffer.concat([Buffer.from([type << 4, ...length]), body]);
}

/** What passes of a stream that comes in pieces of this size. */
function pass(stream: Buffer, size: number, isKnown = true): { passed: Buffer; ended: boolean } {
  let ended = false;
  const cut = cutter(
    () => isKnown,
    () => (ended = true),
  );
  const passed: Buffer[] = [];
  for (let at = 0; at < stream.length; at += size) {
    const out = cut(stream.subarray(at, at + size));
    if (out) passed.push(out);
  }
  return { passed: Buffer.concat(passed), ended };
}

const PUBLISH = 3;
const SUBSCRIBE = 8;
const small = Buffer.concat([
  packet(PUBLISH, randomBytes(10)),
  packet(12, Buffer.alloc(0)),
  packet(PUBLISH, randomBytes(300)),
  packet(SUBSCRIBE, randomBytes(20)),
]);
const SIZES = [1, 2, 3, 7, 64, 1000, 65_536, 10_000_000];

describe('packets on their way in', () => {
  it.each(SIZES)('pass as they are, in pieces of %d', (size) => {
    expect(pass(small, size).passed.equals(small)).toBe(true);
  });

  it.each(SIZES)('are cut where they are too large, and those behind them pass, in pieces of %d', (size) => {
    const body = randomBytes(1_000_000);
    const { passed, ended } = pass(Buffer.concat([small, packet(PUBLISH, body), small]), size);
    const expected = Buffer.concat([small, packet(PUBLISH, body.subarray(0, MAX_PACKET_BYTES)), small]);
    expect(passed.equals(expected)).toBe(true);
    expect(ended).toBe(false);
  });

  it.each(SIZES)('end the connection where one that is no PUBLISH is too large, in pieces of %d', (size) => {
    const { passed, ended } = pass(Buffer.concat([small, packet(SUBSCRIBE, randomBytes(100_000))]), size);
    expect(ended).toBe(true);
    expect(passed.length).toBeLessThanOrEqual(small.length);
  });

  it('end the connection of a stranger sooner', () => {
    const stream = packet(PUBLISH, randomBytes(20_000));
    expect(pass(stream, 1000, false).ended).toBe(true);
    expect(pass(stream, 1000, true).ended).toBe(false);
  });

  it('may name a length of 256 MB', () => {
    expect(pass(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]), 3).ended).toBe(true);
  });
});
