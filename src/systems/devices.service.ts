import { Inject, Injectable, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from 'pino';

import { KeysService } from '../platform/auth/keys.service.js';
import { Clock, isoTime } from '../platform/clock.js';
import { Events, type OfflineReason } from '../platform/events.js';
import type { PageQuery } from '../platform/http/page.js';
import { ProblemType } from '../platform/http/problem.js';
import { LOGGER } from '../platform/logging.js';
import { ClockSkew, isWrong } from './clock-skew.js';
import type { DeviceEvent, DeviceView } from './devices.dto.js';
import {
  type DeviceEventRow,
  type DeviceId,
  type DeviceRow,
  DevicesRepository,
} from './devices.repository.js';
import { mayBeSilentForMs, silentBefore } from './presence.js';
import { DEVICE_NOT_FOUND, SystemsService } from './systems.service.js';

export const DEVICE_IN_USE = new ProblemType('DEVICE.IN_USE', 409, 'Sensors or actuators hang on the device');

/** What a device that goes on talking is noted at most this often; what is news is noted at once. */
const NOTE_EVERY_MS = 30_000;
const AT_ONCE = 200;

/** What of a reading tells of its device: when it was measured, as the device says, where it says so. What has no sensor tells nothing. */
export type HeardItem = { sensor: string; observedAt?: number } | object;

/** What is known here of a device that was heard by this replica. */
interface Known extends DeviceId {
  lastSeenAt: number;
  notedAt: number;
  online: boolean;
  skew: ClockSkew;
}

/** Which devices are there, and whose clocks are wrong. */
@Injectable()
export class DevicesService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly known = new Map<string, Map<string, Known>>();
  /** To be noted at once. */
  private readonly news = new Set<Known>();
  /** The database is told one thing after the other, in the order in which they happened. */
  private turn: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private readonly startedAt: number;

  constructor(
    private readonly repository: DevicesRepository,
    private readonly systems: SystemsService,
    private readonly keys: KeysService,
    private readonly events: Events,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.startedAt = clock.now();
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.round(), NOTE_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.after('what was heard last could not be noted', () => this.noteAll());
  }

  /**
   * A message of a device has come; with `observedAt` where it names a time, whatever became of the reading.
   * Costs two look-ups: it may be called for each reading.
   */
  seen(systemId: string, deviceId: string, { at, observedAt }: { at: number; observedAt?: number }): void {
    const device = this.knownOf(systemId, deviceId);
    if (at > device.lastSeenAt) device.lastSeenAt = at;
    if (observedAt !== undefined) device.skew.add(at, observedAt);
    if (device.online) return;
    device.online = true;
    this.news.add(device);
    if (this.news.size === 1) void this.after('a device could not be noted', () => this.noteNews());
  }

  /**
   * A message of readings has come from a device, whatever becomes of them: with a key of its own from that device, and
   * otherwise from those on which the sensors hang. Not for what people and programs bring: that is no sign of life.
   * @throws SYSTEM_NOT_FOUND
   */
  async heard(
    systemId: string,
    deviceId: string | null,
    items: Iterable<HeardItem>,
    at: number,
  ): Promise<void> {
    const { sensors } = await this.systems.ingestView(systemId);
    if (deviceId !== null) this.seen(systemId, deviceId, { at });
    for (const item of items) {
      if (!('sensor' in item)) continue;
      const from = deviceId ?? sensors.get(item.sensor)?.device_id;
      if (from !== undefined) this.seen(systemId, from, { at, observedAt: item.observedAt });
    }
  }

  /** For who knows it before the device has been silent for long: a last will, an end of a connection. */
  wentOffline(
    systemId: string,
    deviceId: string,
    reason: OfflineReason,
    at = this.clock.now(),
  ): Promise<void> {
    const device = this.known.get(systemId)?.get(deviceId);
    if (device) device.online = false;
    return this.after('a device could not be noted as offline', async () => {
      if (device) await this.note([device]);
      await this.noteOffline({ systemId, deviceId }, at, reason);
    });
  }

  async list(systemId: string): Promise<DeviceView[]> {
    await this.systems.find(systemId);
    return (await this.repository.list(systemId)).map((row) => this.asView(row));
  }

  /** @throws SYSTEM_NOT_FOUND, DEVICE_NOT_FOUND */
  async find(systemId: string, deviceId: string): Promise<DeviceView> {
    await this.systems.find(systemId);
    const row = await this.repository.find({ systemId, deviceId });
    if (!row) throw DEVICE_NOT_FOUND.happened(`The system "${systemId}" has no device "${deviceId}"`);
    return this.asView(row);
  }

  async rename(systemId: string, deviceId: string, name: string): Promise<DeviceView> {
    await this.find(systemId, deviceId);
    await this.repository.rename({ systemId, deviceId }, name);
    this.events.emit('system.parts-changed', { systemId });
    return this.find(systemId, deviceId);
  }

  /** Its keys are revoked with it. @throws DEVICE_IN_USE */
  async delete(systemId: string, deviceId: string): Promise<void> {
    await this.find(systemId, deviceId);
    if (!(await this.repository.delete({ systemId, deviceId }))) {
      throw DEVICE_IN_USE.happened(`Sensors or actuators hang on "${deviceId}": move them first`);
    }
    await this.keys.revokeOfDevice(systemId, deviceId);
    this.known.get(systemId)?.delete(deviceId);
    this.events.emit('system.parts-changed', { systemId });
  }

  async happenings(systemId: string, deviceId: string, page: PageQuery): Promise<DeviceEvent[]> {
    await this.find(systemId, deviceId);
    return (await this.repository.events({ systemId, deviceId }, page)).map(asEvent);
  }

  /** Twice a minute: notes what was heard, and misses whom nobody has heard. */
  async round(): Promise<void> {
    await this.after('what was heard could not be noted', async () => {
      await this.noteAll();
      await this.missSilent();
    });
  }

  /** What fails is said, and tried again in the next round. */
  private after(failure: string, act: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(act).catch((error: unknown) => this.logger.error({ err: error }, failure));
    return this.turn;
  }

  private async noteNews(): Promise<void> {
    const devices = [...this.news];
    this.news.clear();
    await this.note(devices);
  }

  private async noteAll(): Promise<void> {
    this.news.clear();
    const devices = [...this.known.values()].flatMap((ofSystem) => [...ofSystem.values()]);
    await this.note(devices.filter(({ lastSeenAt, notedAt }) => lastSeenAt > notedAt));
  }

  private async note(devices: Known[]): Promise<void> {
    // In one order, so that two replicas never wait for each other.
    devices.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
    for (let start = 0; start < devices.length; start += AT_ONCE) {
      const some = devices.slice(start, start + AT_ONCE);
      const now = this.clock.now();
      const heard = some.map(({ systemId, deviceId, lastSeenAt, skew }) => {
        const skewMs = skew.estimate(now);
        const clockIsWrong = skewMs === undefined ? undefined : isWrong(skewMs);
        return { systemId, deviceId, at: lastSeenAt, skewMs, clockIsWrong };
      });
      const news = await this.repository.noteHeard(heard);
      some.forEach((device, index) => {
        const { systemId, deviceId, at } = heard[index]!;
        device.notedAt = at;
        // Whoever may post may name what is not there, and never the same twice.
        if (!news[index]!.isThere) this.known.get(systemId)?.delete(deviceId);
        if (news[index]!.cameOnline) this.events.emit('device.online', { systemId, deviceId, at });
      });
    }
  }

  private async missSilent(): Promise<void> {
    const now = this.clock.now();
    for (const row of await this.repository.online()) {
      const { system_id: systemId, id: deviceId, last_seen_at } = row;
      const { sensors } = await this.systems.ingestView(systemId);
      const own = [...sensors.values()].filter(({ device_id }) => device_id === deviceId);
      const before = silentBefore(mayBeSilentForMs(own), this.startedAt, now);
      if (before === undefined || last_seen_at === null || last_seen_at >= before) continue;
      const device = this.known.get(systemId)?.get(deviceId);
      // Heard since this round began.
      if (device && device.lastSeenAt >= before) continue;
      if (device) device.online = false;
      await this.noteOffline({ systemId, deviceId }, now, 'silent', before);
    }
  }

  private async noteOffline(
    device: DeviceId,
    at: number,
    reason: OfflineReason,
    before?: number,
  ): Promise<void> {
    if (await this.repository.noteOffline(device, at, reason, before)) {
      this.events.emit('device.offline', { ...device, at, reason });
    }
  }

  private knownOf(systemId: string, deviceId: string): Known {
    let ofSystem = this.known.get(systemId);
    if (!ofSystem) {
      ofSystem = new Map<string, Known>();
      this.known.set(systemId, ofSystem);
    }
    let device = ofSystem.get(deviceId);
    if (!device) {
      const skew = new ClockSkew();
      device = { systemId, deviceId, lastSeenAt: 0, notedAt: 0, online: false, skew };
      ofSystem.set(deviceId, device);
    }
    return device;
  }

  /** What this replica has heard since it was noted last counts too. */
  private asView(row: DeviceRow): DeviceView {
    const device = this.known.get(row.system_id)?.get(row.id);
    const lastSeenAt = Math.max(row.last_seen_at ?? 0, device?.lastSeenAt ?? 0) || null;
    const skewMs = device?.skew.estimate(this.clock.now()) ?? row.clock_skew_ms;
    return {
      id: row.id,
      name: row.name,
      online: row.online === 1,
      since: isoOrNull(row.online_changed_at),
      firstSeenAt: isoOrNull(row.first_seen_at),
      lastSeenAt: isoOrNull(lastSeenAt),
      clockSkewMs: skewMs,
      clockWrong: skewMs !== null && isWrong(skewMs),
    };
  }
}

const keyOf = ({ systemId, deviceId }: DeviceId): string => `${systemId}/${deviceId}`;

const isoOrNull = (time: number | null): string | null => (time === null ? null : isoTime(time));

const asEvent = ({ id, at, what, detail }: DeviceEventRow): DeviceEvent => ({
  id,
  at: isoTime(at),
  what,
  detail,
});
