import { Inject, Injectable } from '@nestjs/common';
import { type Generated, type Insertable, type Kysely, type Selectable } from 'kysely';

import { DATABASE, type Migrations } from '../platform/database/database.module.js';
import { autoNumber } from '../platform/database/kind.js';
import { takeTurn } from '../platform/database/turn.js';
import { newestFirst } from '../platform/database/newest-first.js';
import type { PageQuery } from '../platform/http/page.js';

interface ControlTables {
  decisions: {
    id: Generated<number>;
    system_id: string;
    at: number;
    /** Everything but what the other columns hold, as JSON. */
    body: string;
  };
  commands: {
    id: Generated<number>;
    system_id: string;
    device_id: string;
    actuator_id: string;
    decision_id: number;
    percent: number;
    safe_percent: number;
    issued_at: number;
    expires_at: number;
    status: 'pending' | 'done' | 'failed' | 'superseded';
    acknowledged_at: number | null;
    detail: string | null;
  };
}

export type DecisionRow = Selectable<ControlTables['decisions']>;
export type CommandRow = Selectable<ControlTables['commands']>;
export type NewCommandRow = Omit<Insertable<ControlTables['commands']>, 'id' | 'decision_id'>;

export const controlMigrations: Migrations = {
  '2026-11-21-4-control': {
    up: async (database: Kysely<unknown>) => {
      const { schema } = database;
      await schema
        .createTable('decisions')
        .addColumn('id', 'integer', autoNumber(database))
        .addColumn('system_id', 'text', (column) => column.notNull().references('systems.id'))
        .addColumn('at', 'bigint', (column) => column.notNull())
        .addColumn('body', 'text', (column) => column.notNull())
        .execute();
      await schema.createIndex('decisions_of_system').on('decisions').columns(['system_id', 'id']).execute();
      await schema
        .createTable('commands')
        .addColumn('id', 'integer', autoNumber(database))
        .addColumn('system_id', 'text', (column) => column.notNull())
        .addColumn('device_id', 'text', (column) => column.notNull())
        .addColumn('actuator_id', 'text', (column) => column.notNull())
        .addColumn('decision_id', 'integer', (column) => column.notNull().references('decisions.id'))
        .addColumn('percent', 'double precision', (column) => column.notNull())
        .addColumn('safe_percent', 'double precision', (column) => column.notNull())
        .addColumn('issued_at', 'bigint', (column) => column.notNull())
        .addColumn('expires_at', 'bigint', (column) => column.notNull())
        .addColumn('status', 'text', (column) => column.notNull())
        .addColumn('acknowledged_at', 'bigint')
        .addColumn('detail', 'text')
        .addForeignKeyConstraint('commands_actuator', ['system_id', 'actuator_id'], 'actuators', [
          'system_id',
          'id',
        ])
        .execute();
      await schema.createIndex('commands_of_decision').on('commands').column('decision_id').execute();
      await schema.createIndex('commands_pending').on('commands').columns(['system_id', 'status']).execute();
    },
  },
};

@Injectable()
export class ControlRepository {
  constructor(@Inject(DATABASE) private readonly database: Kysely<ControlTables>) {}

  /** A decision and its commands, together; they take the place of commands that still wait. */
  insert(
    decision: Omit<DecisionRow, 'id'>,
    commands: NewCommandRow[],
  ): Promise<{ id: number; commands: CommandRow[]; superseded: number }> {
    return this.database.transaction().execute(async (transaction) => {
      const { id } = await transaction
        .insertInto('decisions')
        .values(decision)
        .returning('id')
        .executeTakeFirstOrThrow();
      if (commands.length === 0) return { id, commands: [], superseded: 0 };
      // Two decisions at once would not see each other's commands, and an actuator would be told two things.
      await takeTurn(transaction, `commands of ${decision.system_id}`);
      const { numUpdatedRows } = await transaction
        .updateTable('commands')
        .set({ status: 'superseded' })
        .where('system_id', '=', decision.system_id)
        .where('status', '=', 'pending')
        .where('expires_at', '>', decision.at)
        .where(
          'actuator_id',
          'in',
          commands.map((command) => command.actuator_id),
        )
        .executeTakeFirst();
      const inserted = await transaction
        .insertInto('commands')
        .values(commands.map((command) => ({ ...command, decision_id: id })))
        .returningAll()
        .execute();
      return { id, commands: inserted, superseded: Number(numUpdatedRows) };
    });
  }

  listDecisions(systemId: string, page: PageQuery): Promise<DecisionRow[]> {
    return this.database
      .selectFrom('decisions')
      .selectAll()
      .where('system_id', '=', systemId)
      .$call(newestFirst(page))
      .execute();
  }

  findDecision(systemId: string, id: number): Promise<DecisionRow | undefined> {
    return this.database
      .selectFrom('decisions')
      .selectAll()
      .where('system_id', '=', systemId)
      .where('id', '=', id)
      .executeTakeFirst();
  }

  commandsOf(decisionIds: number[]): Promise<CommandRow[]> {
    if (decisionIds.length === 0) return Promise.resolve([]);
    return this.database
      .selectFrom('commands')
      .selectAll()
      .where('decision_id', 'in', decisionIds)
      .orderBy('id')
      .execute();
  }

  pendingCommands(systemId: string, now: number, deviceId: string | undefined): Promise<CommandRow[]> {
    return this.database
      .selectFrom('commands')
      .selectAll()
      .where('system_id', '=', systemId)
      .where('status', '=', 'pending')
      .where('expires_at', '>', now)
      .$if(deviceId !== undefined, (query) => query.where('device_id', '=', deviceId!))
      .orderBy('id')
      .execute();
  }

  /** What each actuator was last told, of what has not expired; by actuator. */
  async commandedPercents(systemId: string, now: number): Promise<Map<string, number>> {
    const commands = await this.database
      .selectFrom('commands')
      .select(['actuator_id', 'percent'])
      .where('system_id', '=', systemId)
      .where('status', 'in', ['pending', 'done'])
      .where('expires_at', '>', now)
      .orderBy('id')
      .execute();
    return new Map(commands.map(({ actuator_id, percent }) => [actuator_id, percent]));
  }

  findCommand(systemId: string, id: number): Promise<CommandRow | undefined> {
    return this.database
      .selectFrom('commands')
      .selectAll()
      .where('system_id', '=', systemId)
      .where('id', '=', id)
      .executeTakeFirst();
  }

  /** @returns the command, or nothing where it did not wait for an answer any more. */
  acknowledge(
    id: number,
    answer: Pick<CommandRow, 'status' | 'acknowledged_at' | 'detail'>,
  ): Promise<CommandRow | undefined> {
    return this.database
      .updateTable('commands')
      .set(answer)
      .where('id', '=', id)
      .where('status', '=', 'pending')
      .returningAll()
      .executeTakeFirst();
  }
}
