import type { KeyHolder } from '../auth/keys.service.js';

export interface Message {
  topic: string;
  /** Longer than MAX_PAYLOAD_BYTES where it was too large, and then cut. */
  payload: Buffer;
  /** When it first arrived, also where it is one that was sent again. */
  arrivedAt: number;
  /** An external broker had kept it, for nobody knows how long. */
  isOld?: boolean;
  /** Whose key brought it; an external broker does not tell. */
  from?: KeyHolder;
}

/**
 * What becomes of a message. Once the promise is kept, the message is acknowledged; where it is broken, it is not, and
 * its sender sends it again. `false` keeps it from those who subscribe to its topic.
 */
export type Handler = (message: Message) => Promise<boolean | void>;

export interface PublishOptions {
  retain?: boolean;
  qos?: 0 | 1;
}

/** What a transport needs to know of those who use it. */
export interface Users {
  /** @returns whether subscribers may see it. */
  receive(message: Message): Promise<boolean>;
  mayPublish(holder: KeyHolder, topic: string): boolean;
  maySubscribe(holder: KeyHolder, filter: string): boolean;
  /** A device tried what `mayPublish` denies. */
  forbidden(holder: KeyHolder, topic: string): void;
  /** The filters of all handlers, each one that another covers left out. */
  filters(): string[];
  connected(): void;
  presence(holder: KeyHolder, isOnline: boolean): void;
}

export interface Transport {
  start(): Promise<void>;
  /** Handlers were added or removed. */
  filtersChanged(): void;
  publish(topic: string, payload: string, options: Required<PublishOptions>): void;
  /** Lets what is under way be acknowledged, for a while. */
  stop(): Promise<void>;
  isHeard(): boolean;
  addresses(): string[];
  /** Where devices reach a broker of ours. */
  port(): number | undefined;
  /** For health. */
  facts(): Record<string, unknown>;
}
