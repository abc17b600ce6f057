import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';

import { MIGRATIONS } from '../src/migrations.js';
import type { KeysService } from '../src/platform/auth/keys.service.js';
import { Clock } from '../src/platform/clock.js';
import { readConfig } from '../src/platform/config.js';
import { openStore, type Store } from '../src/platform/database/database.module.js';
import { Events } from '../src/platform/events.js';
import { DevicesRepository } from '../src/systems/devices.repository.js';
import { DevicesService } from '../src/systems/devices.service.js';
import { SystemsRepository } from '../src/systems/systems.repository.js';
import { SystemsService } from '../src/systems/systems.service.js';
import { Postgres } from './helpers/postgres.js';

const MINUTE = 60_000;
const START = Date.UTC(2026, 10, 21, 9);
const logger = pino({ level: 'silent' });

class Replica {
  readonly told: string[] = [];
  readonly devices: DevicesService;
  readonly systems: SystemsService;

  constructor({ database }: Store, clock: Clock) {
    const events = new Events(logger);
    events.on('device.online', ({ systemId }) => this.told.push(`${systemId} online`));
    events.on('device.offline', ({ systemId, reason }) => this.told.push(`${systemId} ${reason}`));
    // Who holds a key is of no account here.
    const keys = { recogniseHomesBy: () => undefined } as unknown as KeysService;
    const of = database as never;
    this.systems = new SystemsService(new SystemsRepository(of), clock, events, keys);
    this.devices = new DevicesService(new DevicesRepository(of), this.systems, keys, events, clock, logger);
  }
}

describe.each(['sqlite', 'postgres'] as const)('who is there, on %s', (kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-presence-'));
  let postgres: Postgres | undefined;
  let store: Store;
  let other: Store;
  let now: number;
  let one: Replica;
  let two: Replica;
  let system: string;
  let systems = 0;

  const clock: Clock = { now: () => now };
  const look = (device = 'water') => one.devices.find(system, device);
  const happenings = async (device = 'water') =>
    (await one.devices.happenings(system, device, { limit: 50 })).map(({ what, detail }) => [what, detail]);
  const hears = (replica: Replica, device = 'water', observedAt?: number): Promise<void> => {
    replica.devices.seen(system, device, { at: now, observedAt });
    return settled(replica);
  };
  /** What is asked after it comes after it. */
  const settled = (replica: Replica) => replica.devices.wentOffline('nowhere', 'nobody', 'disconnected');
  const told = () => [...one.told, ...two.told].filter((text) => text.startsWith(`${system} `));
  const rounds = () => Promise.all([one.devices.round(), two.devices.round()]);

  beforeAll(async () => {
    if (kind === 'postgres') postgres = await Postgres.start();
    const config = readConfig({
      AQUAPONIA_DATA_DIR: folder,
      ...(postgres && { DATABASE_URL: await postgres.database() }),
    });
    store = await openStore(config, MIGRATIONS, logger);
    other = kind === 'postgres' ? await openStore(config, MIGRATIONS, logger) : store;
  });
  afterAll(async () => {
    for (const each of new Set([store, other])) await each.database.destroy();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    now = START;
    one = new Replica(store, clock);
    two = new Replica(other, clock);
    system = `farm-${++systems}`;
    const facts = { id: system, name: 'Farm', species: 'nile-tilapia', crop: 'lettuce', template: 'raft' };
    await one.systems.create(facts);
  });
  afterEach(async () => {
    for (const replica of [one, two]) await replica.devices.onApplicationShutdown();
  });

  it('comes once, whoever hears it first, and however often', async () => {
    await Promise.all([hears(one), hears(two), hears(one), hears(two)]);
    expect(await happenings()).toEqual([['online', null]]);
    expect(told()).toEqual([`${system} online`]);
    expect(await look()).toMatchObject({ online: true, since: '2026-11-21T09:00:00.000Z' });
  });

  it('is noted twice a minute at the most, and known at once where it is heard', async () => {
    await hears(one);
    now += 1000;
    await hears(one);
    expect((await look()).lastSeenAt).toBe('2026-11-21T09:00:01.000Z');
    expect((await two.devices.find(system, 'water')).lastSeenAt).toBe('2026-11-21T09:00:00.000Z');
    await one.devices.round();
    expect((await two.devices.find(system, 'water')).lastSeenAt).toBe('2026-11-21T09:00:01.000Z');
    expect((await look()).firstSeenAt).toBe('2026-11-21T09:00:00.000Z');
  });

  it('is noted to the last message at the end', async () => {
    await hears(one);
    now += 7000;
    await hears(one);
    await one.devices.onApplicationShutdown();
    expect((await two.devices.find(system, 'water')).lastSeenAt).toBe('2026-11-21T09:00:07.000Z');
  });

  it('is missed when it has been silent for longer than its readings stay fresh', async () => {
    await hears(one);
    now += 11 * MINUTE;
    await rounds();
    expect(await look()).toMatchObject({ online: true });
    now += 1;
    await rounds();
    expect(await look()).toMatchObject({ online: false, since: '2026-11-21T09:11:00.001Z' });
    expect(await happenings()).toEqual([
      ['offline', 'silent'],
      ['online', null],
    ]);
    expect(told()).toEqual([`${system} online`, `${system} silent`]);
    now += MINUTE;
    await hears(two);
    expect(await look()).toMatchObject({ online: true, since: '2026-11-21T09:12:00.001Z' });
    expect((await happenings()).length).toBe(3);
  });

  it('may be silent for longer where it measures once a day', async () => {
    await hears(one, 'camera');
    now += 60 * MINUTE;
    await rounds();
    expect(await look('camera')).toMatchObject({ online: true });
  });

  it('is not missed by a replica that does not hear it, while another does', async () => {
    await hears(two);
    await hears(one);
    for (let minute = 0; minute < 30; minute += 1) {
      now += MINUTE;
      two.devices.seen(system, 'water', { at: now });
      // This one comes last, so that it knows what was noted half a minute ago and no more.
      await one.devices.round();
      await two.devices.round();
    }
    expect(await look()).toMatchObject({ online: true });
    expect(await happenings()).toEqual([['online', null]]);
  });

  it('is not missed where it was heard between the look and the note', async () => {
    const repository = new DevicesRepository(other.database);
    await hears(one);
    const water = { systemId: system, deviceId: 'water' };
    expect(await repository.noteOffline(water, now + 1, 'silent', now)).toBe(false);
    expect(await look()).toMatchObject({ online: true });
    expect(await repository.noteOffline(water, now + 1, 'silent', now + 1)).toBe(true);
    expect(await look()).toMatchObject({ online: false });
  });

  it('is not missed for what nobody could hear while the service was down', async () => {
    await hears(one);
    await rounds();
    now += 600 * MINUTE;
    const started = new Replica(store, clock);
    await started.devices.round();
    expect(await look()).toMatchObject({ online: true });
    now += 11 * MINUTE + 1;
    await started.devices.round();
    expect(await look()).toMatchObject({ online: false });
  });

  it('is gone at its last will, whichever replica is told, and there again with its next message', async () => {
    await hears(one);
    now += 1000;
    one.devices.seen(system, 'water', { at: now });
    now += 1000;
    await Promise.all([two, one].map(({ devices }) => devices.wentOffline(system, 'water', 'last-will')));
    expect(await look()).toMatchObject({ online: false, since: '2026-11-21T09:00:02.000Z' });
    // What was heard before it went does not bring it back.
    await rounds();
    expect(await look()).toMatchObject({ online: false, lastSeenAt: '2026-11-21T09:00:01.000Z' });
    now += 1;
    await hears(one);
    expect(await look()).toMatchObject({ online: true });
    expect(await happenings()).toEqual([
      ['online', null],
      ['offline', 'last-will'],
      ['online', null],
    ]);
  });

  it('is not remembered where there is no such device', async () => {
    for (let name = 0; name < 5; name += 1) await hears(one, `nobody-${name}`);
    await one.devices.wentOffline(system, 'nobody-9', 'last-will');
    const known = (one.devices as unknown as { known: Map<string, Map<string, unknown>> }).known;
    expect(known.get(system)!.size).toBe(0);
    await hears(one);
    expect([...known.get(system)!.keys()]).toEqual(['water']);
  });

  it('comes back for a replica that was not told that it had gone', async () => {
    await hears(one);
    now += 1000;
    await two.devices.wentOffline(system, 'water', 'disconnected');
    now += 1000;
    await hears(one);
    await one.devices.round();
    expect(await look()).toMatchObject({ online: true });
  });

  it('has a clock that turns wrong once, and right once', async () => {
    await hears(one, 'water', now - 200);
    await one.devices.round();
    expect(await look()).toMatchObject({ clockSkewMs: -200, clockWrong: false });
    for (let minute = 0; minute < 3; minute += 1) {
      now += MINUTE;
      await hears(one, 'water', now + 45 * MINUTE);
      await one.devices.round();
    }
    expect(await two.devices.find(system, 'water')).toMatchObject({
      clockSkewMs: 45 * MINUTE,
      clockWrong: true,
    });
    for (let minute = 0; minute < 70; minute += 5) {
      now += 5 * MINUTE;
      await hears(one, 'water', now - 100);
      await one.devices.round();
    }
    expect(await look()).toMatchObject({ clockSkewMs: -100, clockWrong: false });
    expect(await happenings()).toEqual([
      ['clock-right', '-100 ms'],
      ['clock-wrong', `${45 * MINUTE} ms`],
      ['online', null],
    ]);
  });

  it('keeps what happened lately, and not for ever', async () => {
    const repository = new DevicesRepository(store.database);
    const water = { systemId: system, deviceId: 'water' };
    await hears(one, 'climate');
    for (let time = 0; time < 1010; time += 1) await repository.addEvent(water, time, 'online', null);
    const events = await one.devices.happenings(system, 'water', { limit: 1000 });
    expect(events).toHaveLength(1000);
    expect(events[0]!.at).toBe('1970-01-01T00:00:01.009Z');
    const oldest = events.at(-1)!.id;
    expect(await one.devices.happenings(system, 'water', { limit: 10, before: oldest })).toEqual([]);
    expect(await happenings('climate')).toEqual([['online', null]]);
  });
});
