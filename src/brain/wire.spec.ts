import { describe, expect, it } from '@jest/globals';

import { encodeRequest, GarbageError, WireDecoder, type WorkerMessage } from './wire.js';

type Received = [message: WorkerMessage, payload: string];

/** What a decoder makes of chunks, payloads as text. */
function decode(chunks: Buffer[]): Received[] {
  const received: Received[] = [];
  const decoder = new WireDecoder((message, payload) => received.push([message, payload.toString('latin1')]));
  for (const chunk of chunks) decoder.push(chunk);
  return received;
}

const READY = { ready: 'vision', protocol: 1 };
const EMPTY = { id: 1, reply: { text: 'höhe\n' }, computeMs: 0.1, bytes: 0 };
const PIXELS = 'a\n{"id":9}\n\n\xff\x00b';
const WITH_PIXELS = { id: 2, reply: {}, computeMs: 0.1, bytes: PIXELS.length };
const REFUSAL = { id: 3, error: { code: 'INPUT.UNKNOWN', message: 'no such input', field: 'inputs.x' } };

const OUTPUT = Buffer.concat([
  Buffer.from(`${JSON.stringify(READY)}\n${JSON.stringify(EMPTY)}\n${JSON.stringify(WITH_PIXELS)}\n`),
  Buffer.from(PIXELS, 'latin1'),
  Buffer.from(`${JSON.stringify(REFUSAL)}\n`),
]);
const MESSAGES: Received[] = [
  [READY, ''],
  [EMPTY, ''],
  [WITH_PIXELS, PIXELS],
  [REFUSAL, ''],
];

describe("a worker's output", () => {
  it('is cut into messages where it comes all at once', () => {
    expect(decode([OUTPUT])).toEqual(MESSAGES);
  });

  it('is cut into the same messages wherever the pipe splits it', () => {
    for (let at = 0; at <= OUTPUT.length; at++) {
      expect(decode([OUTPUT.subarray(0, at), OUTPUT.subarray(at)])).toEqual(MESSAGES);
    }
  });

  it('is cut into the same messages where it comes byte by byte, or in threes', () => {
    for (const size of [1, 3]) {
      const chunks = Array.from({ length: Math.ceil(OUTPUT.length / size) }, (_, index) =>
        OUTPUT.subarray(index * size, (index + 1) * size),
      );
      expect(decode(chunks)).toEqual(MESSAGES);
    }
  });

  it('is told message by message, as soon as each is whole', () => {
    const whole = OUTPUT.indexOf('\n') + 1;
    expect(decode([OUTPUT.subarray(0, whole - 1)])).toEqual([]);
    expect(decode([OUTPUT.subarray(0, whole)])).toEqual(MESSAGES.slice(0, 1));
  });

  it.each([
    ['text', 'Traceback (most recent call last):\n'],
    ['an empty line', '\n'],
    ['a list', '[1]\n'],
    ['null', 'null\n'],
    ['a number', '7\n'],
    ['NaN', '{"id":1,"reply":{"value":NaN}}\n'],
    ['two objects in a line', '{"id":1}{"id":2}\n'],
    ['fewer bytes than none', '{"id":1,"bytes":-1}\n'],
    ['half a byte', '{"id":1,"bytes":0.5}\n'],
    ['bytes in words', '{"id":1,"bytes":"many"}\n'],
    ['more bytes than there can be', '{"id":1,"bytes":1e12}\n'],
    ['an error that is a sentence', '{"id":1,"error":"wrong"}\n'],
    ['an error that is nothing', '{"id":1,"error":null}\n'],
    ['an error without a code', '{"id":1,"error":{"message":"wrong"}}\n'],
    ['an error with a number for its field', '{"id":1,"error":{"code":"A","message":"b","field":1}}\n'],
  ])('is garbage where it is %s', (_, text) => {
    expect(() => decode([Buffer.from(text)])).toThrow(GarbageError);
  });

  it('is garbage where a line has no end, or comes to one too late', () => {
    const mebibyte = Buffer.alloc(1024 * 1024, 'x');
    expect(() => decode(Array<Buffer>(17).fill(mebibyte))).toThrow(GarbageError);
    const tooLate = Buffer.concat([
      Buffer.from('{"id":"'),
      Buffer.alloc(17 * 1024 * 1024, 'x'),
      Buffer.from('"}\n'),
    ]);
    expect(() => decode([tooLate])).toThrow(GarbageError);
  });
});

describe('a request', () => {
  it('is a line of JSON', () => {
    const encoded = encodeRequest(7, { text: 'a\nb' }, undefined);
    expect(encoded).toBe('{"id":7,"request":{"text":"a\\nb"},"bytes":0}\n');
  });

  it('is a line of JSON and the bytes that it announces', () => {
    const payload = Buffer.from('\n\xff\x00', 'latin1');
    const encoded = encodeRequest(7, {}, payload) as Buffer;
    expect(encoded).toEqual(Buffer.concat([Buffer.from('{"id":7,"request":{},"bytes":3}\n'), payload]));
  });
});
