import { crc32 } from 'node:zlib';

const REMEMBERED_PER_CLIENT = 256;
const MOST_CLIENTS = 1_000;

interface Arrival {
  at: number;
  topic: string;
  checksum: number;
}

/** What is sent again after a broken connection carries the packet id of the first time, and says so (DUP). */
export interface Delivery {
  clientId: string;
  messageId: number | undefined;
  isRedelivery: boolean;
  topic: string;
  payload: Buffer;
}

/**
 * When each message first arrived. A plain number names no time of its own: only by the time of its first arrival is it
 * known for the same reading when its acknowledgement was lost and it comes again.
 */
export class Arrivals {
  private readonly clients = new Map<string, Map<number, Arrival>>();

  constructor(private readonly now: () => number) {}

  timeOf({ clientId, messageId, isRedelivery, topic, payload }: Delivery): number {
    const at = this.now();
    if (messageId === undefined) return at;
    const recent = this.recentOf(clientId);
    const checksum = crc32(payload);
    const known = isRedelivery ? recent.get(messageId) : undefined;
    if (known?.topic === topic && known.checksum === checksum) return known.at;
    recent.delete(messageId);
    recent.set(messageId, { at, topic, checksum });
    if (recent.size > REMEMBERED_PER_CLIENT) recent.delete(recent.keys().next().value!);
    return at;
  }

  /** What a client sent lately; the clients that were longest without a message are forgotten first. */
  private recentOf(clientId: string): Map<number, Arrival> {
    const known = this.clients.get(clientId);
    if (known) return known;
    const recent = new Map<number, Arrival>();
    this.clients.set(clientId, recent);
    if (this.clients.size > MOST_CLIENTS) this.clients.delete(this.clients.keys().next().value!);
    return recent;
  }
}
