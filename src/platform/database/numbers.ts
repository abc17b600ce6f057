import { CompiledQuery, type Kysely } from 'kysely';

import { kindOf } from './kind.js';

export type Parameters = (number | string)[];

/** Its parameters are `?1`, `?2` … for either kind of store. */
export interface Statement {
  statement: string;
  parameters: Parameters;
}

/** What reads figures, many at once; rows follow one another, and null is NaN. */
export interface NumberReader {
  /** @param statement gives numbers, nulls, and texts of numbers with spaces between. */
  numbers(statement: string, parameters: Parameters): Promise<Float64Array>;
  close(): Promise<void>;
}

/** What writes in the background. */
export interface Transactions {
  /** All of them durably, or none. */
  transact(statements: Statement[]): Promise<void>;
  close(): Promise<void>;
}

export function flatten(rows: readonly (readonly unknown[])[]): Float64Array<ArrayBuffer> {
  const numbers: number[] = [];
  for (const row of rows) {
    for (const cell of row) {
      if (typeof cell === 'number') numbers.push(cell);
      else if (typeof cell === 'string') for (const number of cell.split(' ')) numbers.push(Number(number));
      else numbers.push(NaN);
    }
  }
  return new Float64Array(numbers);
}

/** Over the connection, or the pool of connections, that everything else uses. */
export class DatabaseNumbers implements NumberReader, Transactions {
  constructor(private readonly database: Kysely<unknown>) {}

  async numbers(statement: string, parameters: Parameters): Promise<Float64Array> {
    const { rows } = await this.database.executeQuery(this.compiled({ statement, parameters }));
    return flatten(rows.map((row) => Object.values(row as object) as unknown[]));
  }

  async transact(statements: Statement[]): Promise<void> {
    await this.database.transaction().execute(async (transaction) => {
      for (const each of statements) await transaction.executeQuery(this.compiled(each));
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private compiled({ statement, parameters }: Statement): CompiledQuery {
    const isPostgres = kindOf(this.database) === 'postgres';
    return CompiledQuery.raw(isPostgres ? statement.replace(/\?(\d)/g, '$$$1') : statement, parameters);
  }
}
