import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Kysely, type Selectable, sql, type Transaction } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { autoNumber } from '../platform/database/kind.js';
import { newestFirst } from '../platform/database/newest-first.js';
import type { OfflineReason } from '../platform/events.js';
import type { PageQuery } from '../platform/http/page.js';

export type DeviceHappening = 'claimed' | 'online' | 'offline' | 'clock-wrong' | 'clock-right';

interface DevicesTables {
  devices: {
    system_id: string;
    id: string;
    name: string;
    first_seen_at: Generated<number | null>;
    last_seen_at: Generated<number | null>;
    /** 0 or 1. */
    online: Generated<number>;
    /** Since when it is, or is not; null: it never was. */
    online_changed_at: Generated<number | null>;
    clock_skew_ms: Generated<number | null>;
    /** 0 or 1. */
    clock_wrong: Generated<number>;
  };
  device_events: {
    id: Generated<number>;
    system_id: string;
    device_id: string;
    at: number;
    what: DeviceHappening;
    detail: string | null;
  };
  device_claims: {
    system_id: string;
    device_id: string;
    /** Of the code, by scrypt, in hexadecimal. */
    hash: string;
    expires_at: number;
  };
  sensors: { system_id: string; device_id: string };
  actuators: { system_id: string; device_id: string };
}

export type DeviceRow = Selectable<DevicesTables['devices']>;
export type DeviceEventRow = Selectable<DevicesTables['device_events']>;
export type DeviceClaimRow = DevicesTables['device_claims'];

export interface DeviceId {
  systemId: string;
  deviceId: string;
}

/** What is to be noted of a device that was heard. */
export interface Heard extends DeviceId {
  at: number;
  skewMs: number | undefined;
  clockIsWrong: boolean | undefined;
}

/** What of it was news. */
export interface HeardNews {
  /** There is such a device. */
  isThere: boolean;
  cameOnline: boolean;
}

export const devicesMigrations: Migrations = {
  '2026-11-22-5-devices-heard': {
    up: async (database: Kysely<unknown>) => {
      const { schema } = database;
      const add = async (name: string, type: 'bigint' | 'integer'): Promise<void> =>
        schema.alterTable('devices').addColumn(name, type).execute();
      await add('first_seen_at', 'bigint');
      await add('last_seen_at', 'bigint');
      await add('online_changed_at', 'bigint');
      await add('clock_skew_ms', 'bigint');
      for (const flag of ['online', 'clock_wrong']) {
        await schema
          .alterTable('devices')
          .addColumn(flag, 'integer', (column) => column.notNull().defaultTo(0))
          .execute();
      }
      await schema
        .createTable('device_events')
        .addColumn('id', 'integer', autoNumber(database))
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('device_id', 'text', (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('what', 'text', (column) => column.notNull())
        .addColumn('detail', 'text')
        .addForeignKeyConstraint('device_events_device', ['system_id', 'device_id'], 'devices', [
          'system_id',
          'id',
        ])
        .execute();
      await schema
        .createIndex('device_events_of_device')
        .on('device_events')
        .columns(['system_id', 'device_id', 'id'])
        .execute();
      await schema
        .createTable('device_claims')
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('device_id', 'text', (column) => column.notNull())
        .addColumn('hash', 'text', (column) => column.notNull().unique())
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .addPrimaryKeyConstraint('device_claims_pk', ['system_id', 'device_id'])
        .addForeignKeyConstraint('device_claims_device', ['system_id', 'device_id'], 'devices', [
          'system_id',
          'id',
        ])
        .execute();
    },
  },
};

/** A device on bad Wi-Fi comes and goes all day; what it did long ago helps nobody. */
const EVENTS_KEPT = 1_000;

type Connection = Kysely<DevicesTables> | Transaction<DevicesTables>;

@Injectable()
export class DevicesRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<DevicesTables>) {}

  list(systemId: string): Promise<DeviceRow[]> {
    return this.database
      .selectFrom('devices')
      .selectAll()
      .where('system_id', '=', systemId)
      .orderBy('id')
      .execute();
  }

  find({ systemId, deviceId }: DeviceId): Promise<DeviceRow | undefined> {
    return this.database
      .selectFrom('devices')
      .selectAll()
      .where('system_id', '=', systemId)
      .where('id', '=', deviceId)
      .executeTakeFirst();
  }

  online(): Promise<DeviceRow[]> {
    return this.database.selectFrom('devices').selectAll().where('online', '=', 1).execute();
  }

  async rename(device: DeviceId, name: string): Promise<void> {
    await this.update(this.database, device).set({ name }).execute();
  }

  /** With its events and its claim. @returns false where sensors or actuators hang on it. */
  delete(device: DeviceId): Promise<boolean> {
    return this.database.transaction().execute(async (transaction) => {
      for (const table of ['sensors', 'actuators'] as const) {
        if (await transaction.selectFrom(table).select('device_id').where(isOf(device)).executeTakeFirst())
          return false;
      }
      await transaction.deleteFrom('device_events').where(isOf(device)).execute();
      await transaction.deleteFrom('device_claims').where(isOf(device)).execute();
      await transaction
        .deleteFrom('devices')
        .where('system_id', '=', device.systemId)
        .where('id', '=', device.deviceId)
        .execute();
      return true;
    });
  }

  /** All of them in one transaction. @returns what was news of each, in their order. */
  noteHeard(heard: Heard[]): Promise<HeardNews[]> {
    return this.database.transaction().execute(async (transaction) => {
      const news: HeardNews[] = [];
      for (const each of heard) news.push(await this.noteOne(each, transaction));
      return news;
    });
  }

  /**
   * Where it is online, and with `unheardSince` only where no replica has heard it from then on.
   * @returns whether it was.
   */
  noteOffline(device: DeviceId, at: number, reason: OfflineReason, unheardSince?: number): Promise<boolean> {
    return this.database.transaction().execute(async (transaction) => {
      let change = this.update(transaction, device)
        .set({ online: 0, online_changed_at: at })
        .where('online', '=', 1);
      if (unheardSince !== undefined) change = change.where('last_seen_at', '<', unheardSince);
      if (!(await didChange(change))) return false;
      await this.addEvent(device, at, 'offline', reason, transaction);
      return true;
    });
  }

  events({ systemId, deviceId }: DeviceId, page: PageQuery): Promise<DeviceEventRow[]> {
    return this.database
      .selectFrom('device_events')
      .selectAll()
      .where('system_id', '=', systemId)
      .where('device_id', '=', deviceId)
      .$call(newestFirst(page))
      .execute();
  }

  async addEvent(
    device: DeviceId,
    at: number,
    what: DeviceHappening,
    detail: string | null,
    connection: Connection = this.database,
  ): Promise<void> {
    const { systemId: system_id, deviceId: device_id } = device;
    await connection.insertInto('device_events').values({ system_id, device_id, at, what, detail }).execute();
    const tooOld = connection
      .selectFrom('device_events')
      .select('id')
      .where(isOf(device))
      .orderBy('id', 'desc')
      .limit(1)
      .offset(EVENTS_KEPT);
    await connection.deleteFrom('device_events').where(isOf(device)).where('id', '<=', tooOld).execute();
  }

  /** In place of the one before. */
  async putClaim(claim: DeviceClaimRow): Promise<void> {
    const { hash, expires_at } = claim;
    await this.database
      .insertInto('device_claims')
      .values(claim)
      .onConflict((conflict) =>
        conflict.columns(['system_id', 'device_id']).doUpdateSet({ hash, expires_at }),
      )
      .execute();
  }

  /** Those whose hash begins so: the caller compares the rest in constant time. */
  claimsByHashPrefix(prefix: string): Promise<DeviceClaimRow[]> {
    return this.database
      .selectFrom('device_claims')
      .selectAll()
      .where('hash', '>=', prefix)
      .where('hash', '<', prefix + 'g')
      .execute();
  }

  /** @returns whether it was there: of two who use a code at once, one finds it. */
  async takeClaim(hash: string): Promise<boolean> {
    const { numDeletedRows } = await this.database
      .deleteFrom('device_claims')
      .where('hash', '=', hash)
      .executeTakeFirst();
    return numDeletedRows === 1n;
  }

  private async noteOne({ at, skewMs, clockIsWrong, ...device }: Heard, connection: Connection) {
    const cameOnline = await didChange(
      this.update(connection, device)
        .set({ online: 1, online_changed_at: at })
        .where('online', '=', 0)
        // It may have gone after it was heard, and before this is noted.
        .where((is) => is.or([is('online_changed_at', 'is', null), is('online_changed_at', '<', at)])),
    );
    if (cameOnline) await this.addEvent(device, at, 'online', null, connection);
    const noted = this.update(connection, device).set({
      first_seen_at: sql<number>`coalesce(first_seen_at, ${at})`,
      last_seen_at: sql<number>`case when last_seen_at > ${at} then last_seen_at else ${at} end`,
      ...(skewMs !== undefined && { clock_skew_ms: skewMs }),
    });
    if (!(await didChange(noted))) return { isThere: false, cameOnline: false };
    if (clockIsWrong !== undefined) {
      const clock_wrong = clockIsWrong ? 1 : 0;
      const turned = await didChange(
        this.update(connection, device).set({ clock_wrong }).where('clock_wrong', '!=', clock_wrong),
      );
      const what = clockIsWrong ? 'clock-wrong' : 'clock-right';
      if (turned) await this.addEvent(device, at, what, `${skewMs} ms`, connection);
    }
    return { isThere: true, cameOnline };
  }

  private update(connection: Connection, { systemId, deviceId }: DeviceId) {
    return connection.updateTable('devices').where('system_id', '=', systemId).where('id', '=', deviceId);
  }
}

const isOf = ({ systemId, deviceId }: DeviceId) =>
  sql<boolean>`system_id = ${systemId} and device_id = ${deviceId}`;

async function didChange(update: {
  executeTakeFirst(): Promise<{ numUpdatedRows?: bigint }>;
}): Promise<boolean> {
  return (await update.executeTakeFirst()).numUpdatedRows === 1n;
}
