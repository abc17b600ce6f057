import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Kysely, type Selectable } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { newestFirst } from '../platform/database/newest-first.js';
import type { PageQuery } from '../platform/http/page.js';
import type { Level } from './perceptron-notifications.script.js';

interface NotificationsTables {
  notifications: {
    id: Generated<number>;
    system_id: string;
    level: Level;
    message: string;
    /** What it is about, so that the same state is known again; separated by commas. */
    causes: string;
    at: number;
    last_seen_at: number;
    acknowledged_at: number | null;
    resolved_at: number | null;
    /** The classification, as JSON. */
    body: string;
  };
  webhooks: {
    id: string;
    url: string;
    system_id: string | null;
    /** In the clear, as signing needs it. */
    secret: string;
    created_at: number;
  };
  deliveries: {
    id: Generated<number>;
    notification_id: number;
    webhook_id: string;
    status: 'pending' | 'delivered' | 'failed';
    attempts: number;
    next_attempt_at: number;
    last_error: string | null;
  };
}

export type NotificationRow = Selectable<NotificationsTables['notifications']>;
export type WebhookRow = NotificationsTables['webhooks'];
export type DeliveryRow = Selectable<NotificationsTables['deliveries']>;

export const notificationsMigrations: Migrations = {
  '2026-11-21-6-notifications': {
    up: async (database: Kysely<unknown>) => {
      const { schema } = database;
      await schema
        .createTable('notifications')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('system_id', 'text', (column) => column.notNull().references('systems.id'))
        .addColumn('level', 'text', (column) => column.notNull())
        .addColumn('message', 'text', (column) => column.notNull())
        .addColumn('causes', 'text', (column) => column.notNull())
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('last_seen_at', 'bigint', (column) => column.notNull())
        .addColumn('acknowledged_at', 'bigint')
        .addColumn('resolved_at', 'bigint')
        .addColumn('body', 'text', (column) => column.notNull())
        .execute();
      await schema
        .createIndex('notifications_of_system')
        .on('notifications')
        .columns(['system_id', 'id'])
        .execute();
      await schema
        .createTable('webhooks')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('url', 'text', (column) => column.notNull())
        .addColumn('system_id', 'text')
        .addColumn('secret', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute();
      await schema
        .createTable('deliveries')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('notification_id', 'integer', (column) => column.notNull().references('notifications.id'))
        .addColumn('webhook_id', 'text', (column) =>
          column.notNull().references('webhooks.id').onDelete('cascade'),
        )
        .addColumn('status', 'text', (column) => column.notNull())
        .addColumn('attempts', 'integer', (column) => column.notNull())
        .addColumn('next_attempt_at', 'bigint', (column) => column.notNull())
        .addColumn('last_error', 'text')
        .execute();
      await schema
        .createIndex('deliveries_due')
        .on('deliveries')
        .columns(['status', 'next_attempt_at'])
        .execute();
      await schema.createIndex('deliveries_of').on('deliveries').column('notification_id').execute();
    },
  },
};

@Injectable()
export class NotificationsRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<NotificationsTables>) {}

  unresolved(systemId: string): Promise<NotificationRow[]> {
    return this.database
      .selectFrom('notifications')
      .selectAll()
      .where('system_id', '=', systemId)
      .where('resolved_at', 'is', null)
      .orderBy('id', 'desc')
      .execute();
  }

  /** A notification, and a delivery of it to each webhook that wants it: both or neither. */
  insert(notification: Omit<NotificationRow, 'id'>): Promise<NotificationRow> {
    return this.database.transaction().execute(async (transaction) => {
      const row = await transaction
        .insertInto('notifications')
        .values(notification)
        .returningAll()
        .executeTakeFirstOrThrow();
      const webhooks = await transaction
        .selectFrom('webhooks')
        .select('id')
        .where((where) => where.or([where('system_id', 'is', null), where('system_id', '=', row.system_id)]))
        .execute();
      for (const { id } of webhooks) {
        await transaction
          .insertInto('deliveries')
          .values({
            notification_id: row.id,
            webhook_id: id,
            status: 'pending',
            attempts: 0,
            next_attempt_at: row.at,
            last_error: null,
          })
          .execute();
      }
      return row;
    });
  }

  async see(id: number, at: number): Promise<void> {
    await this.database.updateTable('notifications').set({ last_seen_at: at }).where('id', '=', id).execute();
  }

  async resolve(ids: number[], at: number): Promise<void> {
    if (ids.length === 0) return;
    await this.database
      .updateTable('notifications')
      .set({ resolved_at: at })
      .where('id', 'in', ids)
      .execute();
  }

  list(systemId: string, page: PageQuery): Promise<NotificationRow[]> {
    return this.database
      .selectFrom('notifications')
      .selectAll()
      .where('system_id', '=', systemId)
      .$call(newestFirst(page))
      .execute();
  }

  /** The first acknowledgement stands. */
  async acknowledge(systemId: string, id: number, at: number): Promise<NotificationRow | undefined> {
    await this.database
      .updateTable('notifications')
      .set({ acknowledged_at: at })
      .where('id', '=', id)
      .where('system_id', '=', systemId)
      .where('acknowledged_at', 'is', null)
      .execute();
    return this.database
      .selectFrom('notifications')
      .selectAll()
      .where('id', '=', id)
      .where('system_id', '=', systemId)
      .executeTakeFirst();
  }

  deliveriesOf(notificationIds: number[]): Promise<DeliveryRow[]> {
    if (notificationIds.length === 0) return Promise.resolve([]);
    return this.database
      .selectFrom('deliveries')
      .selectAll()
      .where('notification_id', 'in', notificationIds)
      .orderBy('id')
      .execute();
  }

  async insertWebhook(webhook: WebhookRow): Promise<boolean> {
    const { numInsertedOrUpdatedRows } = await this.database
      .insertInto('webhooks')
      .values(webhook)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows === 1n;
  }

  listWebhooks(): Promise<WebhookRow[]> {
    return this.database.selectFrom('webhooks').selectAll().orderBy('id').execute();
  }

  async deleteWebhook(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.database
      .deleteFrom('webhooks')
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows === 1n;
  }

  /**
   * Takes what is due, so that no other replica sends it meanwhile: each delivery is set aside until `leaseUntil`, and
   * comes up again by itself should this process die over it.
   */
  async claimDue(
    now: number,
    leaseUntil: number,
    limit: number,
  ): Promise<{ delivery: DeliveryRow; notification: NotificationRow; webhook: WebhookRow }[]> {
    const due = await this.database
      .selectFrom('deliveries')
      .selectAll()
      .where('status', '=', 'pending')
      .where('next_attempt_at', '<=', now)
      .orderBy('next_attempt_at')
      .limit(limit)
      .execute();
    const claimed = [];
    for (const delivery of due) {
      const { numUpdatedRows } = await this.database
        .updateTable('deliveries')
        .set({ next_attempt_at: leaseUntil })
        .where('id', '=', delivery.id)
        .where('next_attempt_at', '=', delivery.next_attempt_at)
        .where('status', '=', 'pending')
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) continue;
      const notification = await this.database
        .selectFrom('notifications')
        .selectAll()
        .where('id', '=', delivery.notification_id)
        .executeTakeFirst();
      const webhook = await this.database
        .selectFrom('webhooks')
        .selectAll()
        .where('id', '=', delivery.webhook_id)
        .executeTakeFirst();
      if (notification && webhook) claimed.push({ delivery, notification, webhook });
    }
    return claimed;
  }

  async settle(
    id: number,
    outcome: Pick<DeliveryRow, 'status' | 'attempts' | 'next_attempt_at' | 'last_error'>,
  ): Promise<void> {
    await this.database.updateTable('deliveries').set(outcome).where('id', '=', id).execute();
  }
}
