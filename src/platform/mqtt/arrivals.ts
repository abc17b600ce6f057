import { crc32 } from 'node:zlib';

const REMEMBERED_PER_CLIENT = 256;
const MOST_CLIENTS = 1_000;
const MOST_TOPICS = 10_000;
/** How far a burst may run ahead of the clock. */
const MOST_AHEAD_MS = 1_000;

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
  private readonly lastOfTopic = new Map<string, number>();

  constructor(private readonly now: () => number) {}

  timeOf({ clientId, messageId, isRedelivery, topic, payload }: Delivery): number {
    if (messageId === undefined) return this.next(topic);
    const recent = this.recentOf(clientId);
    const checksum = crc32(payload);
    const known = isRedelivery ? recent.get(messageId) : undefined;
    if (known?.topic === topic && known.checksum === checksum) return known.at;
    const at = this.next(topic);
    recent.delete(messageId);
    recent.set(messageId, { at, topic, checksum });
    if (recent.size > REMEMBERED_PER_CLIENT) recent.delete(recent.keys().next().value!);
    return at;
  }

  /** Of a topic, no two at the same millisecond: they would be taken for one reading. */
  private next(topic: string): number {
    const now = this.now();
    const last = this.lastOfTopic.get(topic) ?? 0;
    const at = last >= now && last < now + MOST_AHEAD_MS ? last + 1 : now;
    if (this.lastOfTopic.size >= MOST_TOPICS) this.lastOfTopic.clear();
    this.lastOfTopic.set(topic, at);
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
