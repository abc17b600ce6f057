import type { ServerResponse } from 'node:http';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { Logger } from 'pino';

import { Clock, isoTime } from '../platform/clock.js';
import { type EventPayloads, Events } from '../platform/events.js';
import { ProblemType } from '../platform/http/problem.js';
import { LOGGER } from '../platform/logging.js';
import { Metrics } from '../platform/metrics/metrics.js';
import type { SystemView } from '../systems/system-views.js';
import { SystemsService } from '../systems/systems.service.js';
import { LiveRepository } from './live.repository.js';
import { namesOf, qualityOf } from './quality.js';
import type { ReadingRow } from './readings.schema.js';

export const LIVE_TOO_MANY = new ProblemType(
  'LIVE.TOO_MANY',
  429,
  'As many live streams are open as may be, of this key or of all',
);

const MOST = 200;
const MOST_OF_A_KEY = 20;
/** Commits of this long are looked up and sent together. */
const GATHER_MS = 200;
const HEARTBEAT_MS = 15_000;
/** Of two replicas the one's commit may become visible after the other's later one; so much is sent again. */
const OVERLAP_MS = 10_000;
/** Whoever was away for longer reads the series instead. */
const LOOK_BACK_MS = 3_600_000;
const MOST_AT_ONCE = 10_000;
/** Whoever reads so much slower than readings come is cut off, and comes back with the id that it has got to. */
const MOST_UNREAD_BYTES = 1024 * 1024;

/** Where events go to. */
export interface Listener {
  keyId: string;
  /** Whether its key still holds. */
  isAllowed: () => Promise<boolean>;
  response: ServerResponse;
}

interface News {
  sensors: Set<number>;
  receivedAt: Set<number>;
}

@Injectable()
export class LiveService implements OnModuleDestroy {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly news = new Map<string, News>();
  private readonly stopListening: (() => void)[];
  private readonly heartbeat: NodeJS.Timeout;

  constructor(
    private readonly repository: LiveRepository,
    private readonly systems: SystemsService,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    events: Events,
    metrics: Metrics,
  ) {
    metrics.gauge('live_streams', 'Open streams of live readings', [], (gauge) =>
      gauge.set(this.all().length),
    );
    this.stopListening = [
      events.on('readings.committed', (committed) => this.gather(committed)),
      events.on('replicas.unheard', () => this.all().forEach((listener) => send(listener, this.reset()))),
      events.on('key.revoked', ({ keyId }) => this.endAll((listener) => listener.keyId === keyId)),
    ];
    this.heartbeat = setInterval(() => void this.beat(), HEARTBEAT_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.heartbeat);
    for (const stop of this.stopListening) stop();
    this.endAll(() => true);
  }

  /** @throws LIVE_TOO_MANY */
  admit(keyId: string): void {
    const all = this.all();
    if (all.length >= MOST || all.filter((each) => each.keyId === keyId).length >= MOST_OF_A_KEY) {
      throw LIVE_TOO_MANY.happened({ headers: { 'retry-after': '30' } });
    }
  }

  /** @param lastId what it got last, before its connection was lost */
  async join(systemId: string, listener: Listener, lastId: number | undefined): Promise<void> {
    const { response } = listener;
    const ofSystem = this.listeners.get(systemId) ?? new Set();
    this.listeners.set(systemId, ofSystem.add(listener));
    response.once('close', () => {
      ofSystem.delete(listener);
      if (ofSystem.size === 0) this.listeners.delete(systemId);
    });
    // An id alone is no event: it says where to go on from should nothing come before the connection is lost.
    send(listener, `retry: 3000\nid: ${lastId ?? this.clock.now()}\n\n`);
    if (lastId === undefined) return;
    const now = this.clock.now();
    if (lastId < now - LOOK_BACK_MS || lastId > now + OVERLAP_MS) return send(listener, this.reset());
    const view = await this.systems.ingestView(systemId);
    const since = lastId - OVERLAP_MS;
    const sensors = [...view.sensorsByNumber.keys()];
    send(listener, this.eventsOf(await this.repository.since(since, sensors, MOST_AT_ONCE + 1), view));
  }

  /** Nobody listens: nothing is looked up. */
  private gather({ systemIds, sensors, receivedAt }: EventPayloads['readings.committed']): void {
    for (const systemId of systemIds) {
      if (!this.listeners.has(systemId)) continue;
      let news = this.news.get(systemId);
      if (!news) {
        this.news.set(systemId, (news = { sensors: new Set(), receivedAt: new Set() }));
        setTimeout(() => {
          this.tell(systemId).catch((error: unknown) => {
            this.logger.error({ err: error, systemId }, 'live readings could not be sent');
            // They come back, and get what they have missed.
            this.endAll((_, of) => of === systemId);
          });
        }, GATHER_MS);
      }
      for (const sensor of sensors) news.sensors.add(sensor);
      news.receivedAt.add(receivedAt);
    }
  }

  private async tell(systemId: string): Promise<void> {
    const news = this.news.get(systemId)!;
    this.news.delete(systemId);
    const view = await this.systems.ingestView(systemId);
    const sensors = [...news.sensors].filter((number) => view.sensorsByNumber.has(number));
    const rows = await this.repository.since(Math.min(...news.receivedAt), sensors, MOST_AT_ONCE + 1);
    const isWhole = rows.length <= MOST_AT_ONCE;
    const fresh = isWhole ? rows.filter(({ received_at }) => news.receivedAt.has(received_at)) : rows;
    const text = this.eventsOf(fresh, view);
    for (const listener of this.listeners.get(systemId) ?? []) send(listener, text);
  }

  /** More than fits is not sent in part: whoever listens shall read the series. */
  private eventsOf(rows: ReadingRow[], { sensorsByNumber }: SystemView): string {
    if (rows.length > MOST_AT_ONCE) return this.reset();
    let text = '';
    for (const row of rows) {
      const { id: sensor, quantity } = sensorsByNumber.get(row.sensor_number)!;
      const data = {
        sensor,
        quantity,
        observedAt: isoTime(row.observed_at),
        value: row.value,
        raw: row.raw,
        quality: qualityOf(row.quality),
        reasons: namesOf(row.reasons),
      };
      text += `event: reading\nid: ${row.received_at}\ndata: ${JSON.stringify(data)}\n\n`;
    }
    return text;
  }

  private reset(): string {
    return `event: reset\nid: ${this.clock.now()}\ndata: {}\n\n`;
  }

  private all(): Listener[] {
    return [...this.listeners.values()].flatMap((each) => [...each]);
  }

  private async beat(): Promise<void> {
    for (const ofSystem of this.listeners.values()) {
      for (const listener of ofSystem) {
        // What is not sent yet is younger than the overlap.
        send(listener, `: \nid: ${this.clock.now()}\n\n`);
        if (!(await listener.isAllowed())) listener.response.end();
      }
    }
  }

  private endAll(which: (listener: Listener, systemId: string) => boolean): void {
    for (const [systemId, ofSystem] of this.listeners) {
      for (const listener of ofSystem) if (which(listener, systemId)) listener.response.end();
    }
  }
}

function send({ response }: Listener, text: string): void {
  if (text === '' || response.writableEnded || response.destroyed) return;
  if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
  else response.write(text);
}
