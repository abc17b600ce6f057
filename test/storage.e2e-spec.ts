import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Kysely, sql } from 'kysely';

import { ControlRepository, type NewCommandRow } from '../src/control/control.repository.js';
import { MIGRATIONS } from '../src/migrations.js';
import {
  type NotificationRow,
  NotificationsRepository,
} from '../src/notifications/notifications.repository.js';
import { type KeyRow, KeysRepository } from '../src/platform/auth/keys.repository.js';
import { readConfig } from '../src/platform/config.js';
import { databaseFile, openStore, type Store } from '../src/platform/database/database.module.js';
import { kindOf } from '../src/platform/database/kind.js';
import { takeTurn } from '../src/platform/database/turn.js';
import { SystemsRepository } from '../src/systems/systems.repository.js';
import { VisionRepository } from '../src/vision/vision.repository.js';
import { Postgres } from './helpers/postgres.js';

/** What each store is asked to be; a second one on the same data is another process's, where there may be one. */
describe.each(['sqlite', 'postgres'] as const)('%s, as every repository relies on it,', (kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-storage-'));
  let postgres: Postgres | undefined;
  let store: Store;
  let other: Store;
  let database: Kysely<unknown>;

  beforeAll(async () => {
    if (kind === 'postgres') postgres = await Postgres.start();
    const config = readConfig({
      AQUAPONIA_DATA_DIR: folder,
      ...(postgres && { DATABASE_URL: await postgres.database() }),
    });
    const open = () => openStore(config, MIGRATIONS, { warn: () => undefined });
    if (kind === 'postgres') [store, other] = await Promise.all([open(), open()]);
    else store = other = await open();
    database = store.database;
  });

  afterAll(async () => {
    for (const each of new Set([store, other])) await each.database.destroy();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The same at the same moment, half of it as another process would do it. */
  const atOnce = <T>(times: number, action: (store: Store, index: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: times }, (_, index) => action(index % 2 ? other : store, index)));

  const repository = <Tables, T>(type: new (database: Kysely<Tables>) => T, of: Store = store): T =>
    new type(of.database as Kysely<Tables>);

  let systems = 0;
  async function newSystem(): Promise<string> {
    const id = `farm-${++systems}`;
    const devices = [{ system_id: id, id: 'water', name: 'Water' }];
    const actuators = ['air-pump', 'heater'].map((kind) => ({
      system_id: id,
      id: kind,
      device_id: 'water',
      kind: kind as 'heater',
      place: 'tank',
    }));
    expect(
      await repository(SystemsRepository).insertSystem(systemRow(id), { devices, sensors: [], actuators }),
    ).toBe(true);
    return id;
  }

  const systemRow = (id: string) => ({
    id,
    name: 'Farm',
    template: null,
    species: 'nile-tilapia',
    crop: 'lettuce',
    altitude_m: 0,
    time_zone: 'UTC',
    created_at: 1,
  });

  it('is of its kind, and has a pool where PostgreSQL is behind it', () => {
    expect(kindOf(database)).toBe(kind);
    expect(store.pool === undefined).toBe(kind === 'sqlite');
  });

  it('gives numbers back as they were', async () => {
    const systemId = await newSystem();
    const numbers = [0, -0, 1e-300, 5e-324, -1.5, 0.1 + 0.2, 2 ** 53 - 1, 1.7976931348623157e308, 1 / 3];
    const control = repository(ControlRepository);
    const commands = numbers.map((percent) => commandRow(systemId, { percent, issued_at: 2 ** 53 - 1 }));
    const { id } = await control.insert({ system_id: systemId, at: 2 ** 53 - 1, body: '{}' }, commands);
    const read = await control.commandsOf([id]);
    // Neither store keeps the sign of zero, and JSON has none.
    expect(read.map(({ percent }) => percent + 0)).toEqual(numbers.map((number) => number + 0));
    expect(read.map(({ issued_at }) => issued_at)).toEqual(numbers.map(() => 2 ** 53 - 1));
    const { rows } = await sql<Record<string, unknown>>`
      select count(*) as counted, sum(percent) as summed, max(issued_at) as latest from commands where decision_id = ${id}
    `.execute(database);
    expect(Object.values(rows[0]!).map((value) => typeof value)).toEqual(['number', 'number', 'number']);
  });

  it('keeps texts and bytes as they were', async () => {
    const body = JSON.stringify({ text: 'Fütterung 🐟 \u0000 \\ " \'' });
    const overlay = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));
    const vision = repository(VisionRepository);
    const systemId = await newSystem();
    const id = await vision.insert({ system_id: systemId, at: 5, body }, overlay);
    expect(await vision.findOverlay(id)).toEqual(overlay);
    expect(await vision.list(systemId, { limit: 5 })).toEqual([{ id, system_id: systemId, at: 5, body }]);
    await vision.update(id, '{}');
    await vision.remove(id);
    expect(await vision.findOverlay(id)).toBeUndefined();
  });

  it('lets go of old pictures, also where some ids were never given', async () => {
    const vision = repository(VisionRepository);
    const insert = () => vision.insert({ system_id: null, at: 1, body: '{}' }, Buffer.from('x'));
    const first = await insert();
    await database
      .transaction()
      .execute(async (transaction) => {
        await repository(VisionRepository, { database: transaction, pool: undefined }).insert(
          { system_id: null, at: 1, body: '{}' },
          Buffer.from('x'),
        );
        throw new Error('no');
      })
      .catch(() => undefined);
    for (let left = 500; left > 0; left--) await insert();
    expect(await vision.findOverlay(first)).toBeUndefined();
    expect(await vision.findOverlay(first + 5)).toBeDefined();
  });

  describe('systems', () => {
    it('come whole or not at all', async () => {
      const id = 'torn';
      const systems = repository(SystemsRepository);
      const sensors = [
        { system_id: id, id: 'ph', device_id: 'nobody', quantity: 'ph' as const, place: 'tank' },
      ];
      await expect(
        systems.insertSystem(systemRow(id), { devices: [], sensors, actuators: [] }),
      ).rejects.toThrow();
      expect(await systems.find(id)).toBeUndefined();
    });

    it('are made once, however many ask at once', async () => {
      const parts = {
        devices: [{ system_id: 'wanted', id: 'water', name: 'W' }],
        sensors: [],
        actuators: [],
      };
      const made = await atOnce(8, (at) =>
        repository(SystemsRepository, at).insertSystem(systemRow('wanted'), parts),
      );
      expect(made.filter(Boolean)).toHaveLength(1);
      expect(await repository(SystemsRepository).devices('wanted')).toHaveLength(1);
    });

    it('get a part once, however many add it at once', async () => {
      const systemId = await newSystem();
      const device = { system_id: systemId, id: 'camera', name: 'Camera' };
      const sensors = ['canopy-cover', 'greenness'].map((quantity) => ({
        system_id: systemId,
        id: quantity,
        device_id: 'camera',
        quantity: quantity as 'greenness',
        place: 'bed',
      }));
      const added = await atOnce(8, (at) =>
        repository(SystemsRepository, at).insertParts({ devices: [device], sensors }),
      );
      expect(added.reduce((sum, count) => sum + count, 0)).toBe(3);
      const found = await repository(SystemsRepository).sensors(systemId);
      expect(found.map(({ id }) => id)).toEqual(['canopy-cover', 'greenness']);
      expect(found.every(({ number }) => Number.isInteger(number))).toBe(true);
    });

    it('are listed by the codes of their characters', async () => {
      const ids = ['z-b', 'z-a', 'zb', 'z0', 'z--a', 'za-1', 'za1'];
      const none = { devices: [], sensors: [], actuators: [] };
      for (const id of ids) await repository(SystemsRepository).insertSystem(systemRow(id), none);
      const listed = (await repository(SystemsRepository).list()).map(({ id }) => id);
      expect(listed).toEqual([...listed].sort());
      expect(listed).toEqual(expect.arrayContaining(ids));
    });
  });

  describe('keys', () => {
    const keyRow = (id: string, more: Partial<KeyRow> = {}): KeyRow => ({
      id,
      role: 'operator',
      system_id: null,
      device_id: null,
      hash: `hash-of-${id}`,
      created_at: 1,
      ...more,
    });

    beforeEach(async () => {
      await sql`delete from keys`.execute(database);
    });

    it('are found by the beginning of their hash, listed by age, and unique in both', async () => {
      const keys = repository(KeysRepository);
      const hash = 'ab'.repeat(32);
      expect(await keys.insert(keyRow('one', { hash, created_at: 2 }))).toBe(true);
      expect(await keys.insert(keyRow('one'))).toBe(false);
      expect(await keys.insert(keyRow('two', { hash }))).toBe(false);
      expect(await keys.insert(keyRow('two', { hash: 'cd'.repeat(32) }))).toBe(true);
      expect(await keys.findByHashPrefix('abababab')).toEqual([keyRow('one', { hash, created_at: 2 })]);
      expect((await keys.list()).map(({ id }) => id)).toEqual(['two', 'one']);
    });

    it('have one first admin, however many processes start at once', async () => {
      const made = await atOnce(10, (at, index) =>
        repository(KeysRepository, at).putFirstAdmin(keyRow('admin', { role: 'admin', hash: `h${index}` })),
      );
      expect(made.filter(Boolean)).toHaveLength(1);
      const [key] = await repository(KeysRepository).list();
      expect(key!.hash).toBe(`h${made.indexOf(true)}`);
    });

    it('can be set by several processes that start at once', async () => {
      await atOnce(10, (at) => repository(KeysRepository, at).put(keyRow('admin', { role: 'admin' })));
      expect(await repository(KeysRepository).list()).toEqual([keyRow('admin', { role: 'admin' })]);
    });

    it('keep an admin, however many are revoked at once', async () => {
      const ids = Array.from({ length: 6 }, (_, index) => `admin-${index}`);
      for (const id of ids) await repository(KeysRepository).insert(keyRow(id, { role: 'admin' }));
      const removals = await atOnce(6, (at, index) => repository(KeysRepository, at).remove(ids[index]!));
      expect([...removals].sort()).toEqual(['last-admin', ...Array<string>(5).fill('removed')]);
      expect(await repository(KeysRepository).list()).toHaveLength(1);
      expect(await repository(KeysRepository).remove('nobody')).toBe('unknown');
    });

    it('of a device leave one, however often it is claimed at once', async () => {
      await atOnce(6, (at, index) =>
        repository(KeysRepository, at).replaceForDevice(
          keyRow(`water-${index}`, { role: 'device', system_id: 's', device_id: 'water' }),
        ),
      );
      expect(await repository(KeysRepository).list()).toHaveLength(1);
    });
  });

  describe('decisions and commands', () => {
    it('are one step: a command that cannot be kept leaves no decision', async () => {
      const systemId = await newSystem();
      const control = repository(ControlRepository);
      const decision = { system_id: systemId, at: 1, body: '{}' };
      const unknown = commandRow(systemId, { actuator_id: 'nothing' });
      await expect(control.insert(decision, [unknown])).rejects.toThrow();
      expect(await control.listDecisions(systemId, { limit: 10 })).toEqual([]);
    });

    it('leave one command for an actuator, however many decide at once', async () => {
      const systemId = await newSystem();
      const made = await atOnce(8, (at) =>
        repository(ControlRepository, at).insert({ system_id: systemId, at: 10, body: '{}' }, [
          commandRow(systemId, {}),
          commandRow(systemId, { actuator_id: 'heater' }),
        ]),
      );
      expect(made.reduce((sum, { superseded }) => sum + superseded, 0)).toBe(14);
      const pending = await repository(ControlRepository).pendingCommands(systemId, 10, undefined);
      expect(pending.map(({ actuator_id }) => actuator_id).sort()).toEqual(['air-pump', 'heater']);
    });

    it('are paged from the newest backwards', async () => {
      const systemId = await newSystem();
      const control = repository(ControlRepository);
      for (let at = 0; at < 5; at++) await control.insert({ system_id: systemId, at, body: '{}' }, []);
      const first = await control.listDecisions(systemId, { limit: 2 });
      const second = await control.listDecisions(systemId, { limit: 9, before: first[1]!.id });
      expect([...first, ...second].map(({ at }) => at)).toEqual([4, 3, 2, 1, 0]);
    });

    it('take one answer, however many come at once', async () => {
      const systemId = await newSystem();
      const { commands } = await repository(ControlRepository).insert(
        { system_id: systemId, at: 1, body: '{}' },
        [commandRow(systemId, {})],
      );
      const answers = await atOnce(6, (at, index) =>
        repository(ControlRepository, at).acknowledge(commands[0]!.id, {
          status: index % 2 ? 'done' : 'failed',
          acknowledged_at: index,
          detail: null,
        }),
      );
      const taken = answers.filter((answer) => answer !== undefined);
      expect(taken).toHaveLength(1);
      expect(await repository(ControlRepository).findCommand(systemId, commands[0]!.id)).toEqual(taken[0]);
    });
  });

  describe('notifications', () => {
    const newsOf = (systemId: string): Omit<NotificationRow, 'id'> => ({
      system_id: systemId,
      level: 'critical',
      message: 'No air',
      causes: 'DISSOLVED-OXYGEN.LOW',
      at: 7,
      last_seen_at: 7,
      acknowledged_at: null,
      resolved_at: null,
      body: '{}',
    });
    const tell = (at: Store, systemId: string) =>
      repository(NotificationsRepository, at).change(systemId, 8, ([seen]) =>
        seen ? { over: [], seen } : { over: [], news: newsOf(systemId) },
      );
    const webhook = (id: string, system_id: string | null = null) => ({
      id,
      system_id,
      url: 'https://example.org',
      secret: 's',
      created_at: 1,
    });

    it('are made once, however many see the same state at once, with one delivery a webhook', async () => {
      const systemId = await newSystem();
      await repository(NotificationsRepository).insertWebhook(webhook(`for-${systemId}`, systemId));
      const told = await atOnce(8, (at) => tell(at, systemId));
      expect(new Set(told.map((row) => row!.id)).size).toBe(1);
      const [kept] = await repository(NotificationsRepository).list(systemId, { limit: 9 });
      expect(kept).toEqual({ ...newsOf(systemId), id: kept!.id, last_seen_at: 8 });
      expect(await repository(NotificationsRepository).deliveriesOf([kept!.id])).toHaveLength(1);
    });

    it('are resolved and news in one step, and acknowledged once', async () => {
      const systemId = await newSystem();
      const notifications = repository(NotificationsRepository);
      const first = (await tell(store, systemId))!;
      const second = await notifications.change(systemId, 9, (open) => ({
        over: open.map(({ id }) => id),
        news: newsOf(systemId),
      }));
      const listed = await notifications.list(systemId, { limit: 9 });
      expect(listed.map(({ id, resolved_at }) => [id, resolved_at])).toEqual([
        [second!.id, null],
        [first.id, 9],
      ]);
      await atOnce(4, (at, index) =>
        repository(NotificationsRepository, at).acknowledge(systemId, first.id, 20 + index),
      );
      const { acknowledged_at } = (await notifications.acknowledge(systemId, first.id, 99))!;
      expect(acknowledged_at).not.toBe(99);
      expect(await notifications.acknowledge('another', first.id, 99)).toBeUndefined();
    });

    it('survive a webhook that goes in the same moment, and its deliveries go with it', async () => {
      const systemId = await newSystem();
      const notifications = repository(NotificationsRepository);
      for (let index = 0; index < 10; index++) {
        await notifications.insertWebhook(webhook(`brief-${kind}-${index}`));
      }
      await atOnce(20, async (at, index) => {
        if (index >= 10)
          return repository(NotificationsRepository, at).deleteWebhook(`brief-${kind}-${index - 10}`);
        return notifications.change(systemId, 1, () => ({ over: [], news: newsOf(systemId) }));
      });
      const listed = await notifications.list(systemId, { limit: 50 });
      expect(listed).toHaveLength(10);
      const deliveries = await notifications.deliveriesOf(listed.map(({ id }) => id));
      expect(deliveries.filter(({ webhook_id }) => webhook_id.startsWith('brief-'))).toEqual([]);
    });

    it('are delivered by one process each, and come up again where that one dies', async () => {
      const systemId = await newSystem();
      const notifications = repository(NotificationsRepository);
      const id = `claimed-${kind}`;
      await sql`delete from deliveries`.execute(database);
      await notifications.insertWebhook(webhook(id, systemId));
      for (let left = 12; left > 0; left--) {
        await notifications.change(systemId, 1, () => ({ over: [], news: newsOf(systemId) }));
      }
      const claims = await atOnce(4, (at) => repository(NotificationsRepository, at).claimDue(100, 200, 20));
      const ids = claims.flat().map(({ delivery }) => delivery.id);
      expect(ids).toHaveLength(12);
      expect(new Set(ids).size).toBe(12);
      expect(await notifications.claimDue(199, 300, 20)).toEqual([]);
      expect(await notifications.claimDue(200, 300, 20)).toHaveLength(12);
    });
  });

  it('gives the same turn to one at a time', async () => {
    let inside = 0;
    let most = 0;
    await atOnce(6, (at) =>
      at.database.transaction().execute(async (transaction) => {
        await takeTurn(transaction, 'the only chair');
        most = Math.max(most, ++inside);
        await sql`select 1`.execute(transaction);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside -= 1;
      }),
    );
    expect(most).toBe(1);
  });

  if (kind === 'sqlite') {
    it('lets nobody write between what a transaction reads and what it then writes', async () => {
      const writer = new DatabaseSync(databaseFile(folder));
      await database.transaction().execute(async (transaction) => {
        const keys = sql`select * from keys`;
        await keys.execute(transaction);
        expect(() => writer.exec("delete from keys where id = 'nobody'")).toThrow('database is locked');
        await sql`delete from keys where id = 'somebody'`.execute(transaction);
      });
      writer.exec("delete from keys where id = 'nobody'");
      writer.close();
    });
  }

  it('is brought up to date once, and left alone after that', async () => {
    const applied = () =>
      sql<{ name: string }>`select name from kysely_migration order by name`.execute(database);
    const { rows } = await applied();
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(MIGRATIONS).sort());
  });

  const commandRow = (systemId: string, more: Partial<NewCommandRow>): NewCommandRow => ({
    system_id: systemId,
    device_id: 'water',
    actuator_id: 'air-pump',
    percent: 50,
    safe_percent: 100,
    issued_at: 1,
    expires_at: 1_000,
    status: 'pending',
    acknowledged_at: null,
    detail: null,
    ...more,
  });
});
