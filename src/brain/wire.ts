/** The handshake: a worker's first line. */
export interface ReadyMessage {
  ready: string;
  protocol: number;
}

export interface ReplyMessage {
  id: number;
  reply?: unknown;
  computeMs?: number;
  error?: { code: string; message: string; field?: string };
}

export type WorkerMessage = ReadyMessage | ReplyMessage;

export const PROTOCOL = 1;

const NEWLINE = 0x0a;
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;
const NOTHING: Buffer = Buffer.alloc(0);

/** What a worker printed is not the protocol. */
export class GarbageError extends Error {}

/** A request as the worker reads it: a line of JSON, then the bytes it announces. */
export function encodeRequest(id: number, request: unknown, payload: Buffer | undefined): Buffer | string {
  const line = `{"id":${id},"request":${JSON.stringify(request)},"bytes":${payload?.length ?? 0}}\n`;
  return payload?.length ? Buffer.concat([Buffer.from(line), payload]) : line;
}

/** Cuts a worker's output into messages, however the pipe has split or joined them. */
export class WireDecoder {
  private chunks: Buffer[] = [];
  private size = 0;
  private head: { message: WorkerMessage; payloadBytes: number } | undefined;

  constructor(private readonly onMessage: (message: WorkerMessage, payload: Buffer) => void) {}

  /** @throws GarbageError where the output can be no message. */
  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.size += chunk.length;
    while (this.head ? this.takePayload() : this.takeLine(chunk));
  }

  private takeLine(newest: Buffer): boolean {
    if (this.size === 0) return false;
    // Only the newest chunk can hold the first newline, unless a message has just been taken off the front.
    if (!newest.includes(NEWLINE)) {
      if (this.size > MAX_LINE_BYTES) throw new GarbageError('a line longer than any reply');
      return false;
    }
    const buffer = this.joined();
    const end = buffer.indexOf(NEWLINE);
    if (end > MAX_LINE_BYTES) throw new GarbageError('a line longer than any reply');
    if (end < 0) return false;
    this.rest(buffer, end + 1);
    const message = parseHead(buffer.toString('utf8', 0, end));
    const payloadBytes = 'bytes' in message ? (message.bytes as number) : 0;
    if (!Number.isInteger(payloadBytes) || payloadBytes < 0 || payloadBytes > MAX_PAYLOAD_BYTES) {
      throw new GarbageError('an impossible number of bytes');
    }
    this.head = { message, payloadBytes };
    return true;
  }

  private takePayload(): boolean {
    const { message, payloadBytes } = this.head!;
    if (this.size < payloadBytes) return false;
    let payload = NOTHING;
    if (payloadBytes > 0) {
      const buffer = this.joined();
      payload = buffer.subarray(0, payloadBytes);
      this.rest(buffer, payloadBytes);
    }
    this.head = undefined;
    this.onMessage(message, payload);
    return true;
  }

  private joined(): Buffer {
    return this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks, this.size);
  }

  private rest(buffer: Buffer, from: number): void {
    this.size = buffer.length - from;
    this.chunks = this.size > 0 ? [buffer.subarray(from)] : [];
  }
}

function parseHead(line: string): WorkerMessage {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    throw new GarbageError(`not JSON: ${line.slice(0, 80)}`);
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    throw new GarbageError(`not an object: ${line.slice(0, 80)}`);
  }
  if ('error' in message && !isError(message.error)) {
    throw new GarbageError(`not an error with a code and a message: ${line.slice(0, 80)}`);
  }
  return message as WorkerMessage;
}

function isError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message, field = '' } = error as Record<string, unknown>;
  return [code, message, field].every((member) => typeof member === 'string');
}
