import type { Socket } from 'node:net';

const PUBLISH = 3;
/** Of a packet that is no PUBLISH, or comes before the client has shown its key. */
const MAX_OTHER_BYTES = 16 * 1024;
/** A topic may have 64 KiB, so that of a packet cut here, more than this much is left of the payload. */
export const MAX_PAYLOAD_BYTES = 128 * 1024;
export const MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 65_536 + 16;

/**
 * The broker reads a packet whole before it looks at it, and a packet may have 256 MB. What is too large is therefore cut
 * on its way in: of a PUBLISH the beginning is passed on, as a shorter packet that can be refused and acknowledged, so
 * that its sender does not send it for ever; anything else ends the connection.
 */
export function boundPackets(socket: Socket, isKnown: () => boolean): void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  const cut = cutter(isKnown, (reason) => socket.destroy(new Error(reason)));
  socket.read = (size?: number): Buffer | null => {
    const chunk = read(size);
    return chunk === null ? null : cut(chunk);
  };
}

export function cutter(
  isKnown: () => boolean,
  end: (reason: string) => void,
): (chunk: Buffer) => Buffer | null {
  /** Of the packet that we stand in: what is passed on, and what is left out after that. */
  let passing = 0;
  let skipping = 0;
  /** The beginning of a packet whose length is not whole yet. */
  let header: number[] = [];
  let hasEnded = false;

  /** @returns what the header becomes; undefined where it stays. */
  function enter(type: number, length: number): Buffer | undefined {
    passing = length;
    const most = type === PUBLISH && isKnown() ? MAX_PACKET_BYTES : MAX_OTHER_BYTES;
    if (length <= most) return undefined;
    if (most !== MAX_PACKET_BYTES) {
      hasEnded = true;
      end('packet too large');
      return undefined;
    }
    passing = most;
    skipping = length - most;
    return Buffer.from([header[0]!, ...lengthBytes(most)]);
  }

  return (chunk) => {
    const parts: Buffer[] = [];
    /** Where what is passed on as it stands begins. */
    let from = 0;
    let at = 0;
    while (at < chunk.length && !hasEnded) {
      if (passing > 0) {
        const step = Math.min(passing, chunk.length - at);
        passing -= step;
        at += step;
      } else if (skipping > 0) {
        if (at > from) parts.push(chunk.subarray(from, at));
        const step = Math.min(skipping, chunk.length - at);
        skipping -= step;
        at += step;
        from = at;
      } else {
        const begin = at - header.length;
        while (at < chunk.length) {
          header.push(chunk[at++]!);
          const isWhole = header.length > 1 && header.at(-1)! < 128;
          if (!isWhole && header.length < 5) continue;
          const length = header.slice(1).reduce((sum, byte, place) => sum + (byte & 127) * 128 ** place, 0);
          const replaced = enter(header[0]! >> 4, length);
          if (replaced || begin < 0) {
            if (begin > from) parts.push(chunk.subarray(from, begin));
            parts.push(replaced ?? Buffer.from(header));
            from = at;
          }
          header = [];
          break;
        }
        // The header goes on in the next chunk, and is passed on with it.
        if (header.length > 0) {
          if (begin > from) parts.push(chunk.subarray(from, begin));
          from = chunk.length;
        }
      }
    }
    if (hasEnded) return null;
    if (from === 0 && parts.length === 0) return chunk;
    if (at > from) parts.push(chunk.subarray(from, at));
    return parts.length === 0 ? null : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  };
}

function lengthBytes(length: number): number[] {
  const bytes: number[] = [];
  let rest = length;
  do {
    bytes.push((rest % 128) + (rest > 127 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}
