import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Kysely, type Selectable, type Transaction } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { autoNumber, word } from '../platform/database/kind.js';
import { takeTurn } from '../platform/database/turn.js';
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

/** What becomes of a system's notifications when its state is known anew. */
export interface Change {
  over: number[];
  /** At most one of these two: the state is known already, or it is news. */
  seen?: NotificationRow;
  news?: Omit<NotificationRow, 'id'>;
}

export const notificationsMigrations: Migrations = {
  '2026-11-21-6-notifications': {
    up: async (database: Kysely<unknown>) => {
      const { schema } = database;
      await schema
        .createTable('notifications')
        .addColumn('id', 'integer', autoNumber(database))
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
        .addColumn('id', word(database), (column) => column.primaryKey())
        .addColumn('url', 'text', (column) => column.notNull())
        .addColumn('system_id', 'text')
        .addColumn('secret', 'text', (column) => column.notNull())
        .addColumn('created_at', 'bigint', (column) => column.notNull())
        .execute();
      await schema
        .createTable('deliveries')
        .addColumn('id', 'integer', autoNumber(database))
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

/** A webhook must not go between being chosen and being given its delivery. */
const WEBHOOKS = 'webhooks';

@Injectable()
export class NotificationsRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<NotificationsTables>) {}

  /**
   * Looks at what is unresolved and changes it, while nobody else does: the same state at the same moment, in two
   * processes, makes one notification. A new one has a delivery to each webhook that wants it: both or neither.
   */
  change(
    systemId: string,
    at: number,
    decide: (unresolved: NotificationRow[]) => Change,
  ): Promise<NotificationRow | undefined> {
    return this.database.transaction().execute(async (transaction) => {
      await takeTurn(transaction, `notifications of ${systemId}`);
      const unresolved = await transaction
        .selectFrom('notifications')
        .selectAll()
        .where('system_id', '=', systemId)
        .where('resolved_at', 'is', null)
        .orderBy('id', 'desc')
        .execute();
      const { over, seen, news } = decide(unresolved);
      const update = transaction.updateTable('notifications');
      if (over.length > 0) await update.set({ resolved_at: at }).where('id', 'in', over).execute();
      if (seen) {
        await update.set({ last_seen_at: at }).where('id', '=', seen.id).execute();
        return { ...seen, last_seen_at: at };
      }
      return news && insertWithDeliveries(transaction, news);
    });
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

  deleteWebhook(id: string): Promise<boolean> {
    return this.database.transaction().execute(async (transaction) => {
      await takeTurn(transaction, WEBHOOKS);
      const { numDeletedRows } = await transaction
        .deleteFrom('webhooks')
        .where('id', '=', id)
        .executeTakeFirst();
      return numDeletedRows === 1n;
    });
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

async function insertWithDeliveries(
  transaction: Transaction<NotificationsTables>,
  notification: Omit<NotificationRow, 'id'>,
): Promise<NotificationRow> {
  const row = await transaction
    .insertInto('notifications')
    .values(notification)
    .returningAll()
    .executeTakeFirstOrThrow();
  await takeTurn(transaction, WEBHOOKS);
  const webhooks = await transaction
    .selectFrom('webhooks')
    .select('id')
    .where((where) => where.or([where('system_id', 'is', null), where('system_id', '=', row.system_id)]))
    .orderBy('id')
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
}
