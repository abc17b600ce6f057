import { EventEmitter } from 'node:events';
import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';

import { LOGGER } from './logging.js';

/** Why a device counts as offline. */
export type OfflineReason = 'last-will' | 'disconnected' | 'silent';

/** What rooms tell those that they may not know: facts, in the past tense. */
export interface EventPayloads {
  'readings.committed': { systemIds: string[]; receivedAt: number; sensors: number[] };
  /** What other replicas have committed may have been missed. */
  'replicas.unheard': Record<string, never>;
  /** Local days begin elsewhere: what is kept by day must be made again. */
  'system.time-zone-changed': { systemId: string; timeZone: string };
  /** The air of the system has another pressure than was thought. */
  'system.altitude-changed': { systemId: string };
  /** The system itself, or one of its devices, sensors or actuators was added or changed. */
  'system.parts-changed': { systemId: string };
  'device.online': { systemId: string; deviceId: string; at: number };
  'device.offline': { systemId: string; deviceId: string; at: number; reason: OfflineReason };
  'key.revoked': { keyId: string };
}

type EventName = keyof EventPayloads;
type Listener<Name extends EventName> = (payload: EventPayloads[Name]) => void;

/** Within this process; a listener is called before `emit` returns, and what it throws is its own affair. */
@Injectable()
export class Events {
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** @returns what ends it: whoever listens calls it when it stops. */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void {
    const guarded = (payload: EventPayloads[Name]): void => {
      try {
        listener(payload);
      } catch (error) {
        this.logger.error({ err: error, event: name }, 'a listener failed');
      }
    };
    this.emitter.on(name, guarded);
    return () => this.emitter.off(name, guarded);
  }

  emit<Name extends EventName>(name: Name, payload: EventPayloads[Name]): void {
    this.emitter.emit(name, payload);
  }
}
