import pg from 'pg';
import Cursor from 'pg-cursor';

import { connectionOf, type PostgresSettings, whereOf } from '../../dist/platform/database/postgres.js';
import { PartitionedReadings } from '../../dist/readings/partitions.js';
import { isOfMigrator, PICTURES_AT_ONCE, ROWS_AT_ONCE, type Side, type Table, type Value } from './side.ts';

const { escapeIdentifier } = pg;
const NUMBERS = new Set([20, 21, 23, 700, 701, 1700]);
const BOOLEAN = 16;
const BYTES = 17;

/** As SQLite would give it back: numbers, texts and bytes. */
const types = {
  getTypeParser: (oid: number): ((text: string) => Value) => {
    if (NUMBERS.has(oid)) return Number;
    if (oid === BOOLEAN) return (text) => (text === 't' ? 1 : 0);
    if (oid === BYTES) return (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'));
    return (text) => text;
  },
};

const TABLES = `
  select relname as name,
    array(select attname::text from pg_attribute where attrelid = t.oid and attnum > 0 and not attisdropped order by attnum) as columns,
    array(select format_type(atttypid, atttypmod) from pg_attribute where attrelid = t.oid and attnum > 0 and not attisdropped order by attnum) as types,
    array(select attname::text from pg_index, unnest(indkey) with ordinality as part (number, place)
      join pg_attribute on attnum = part.number where indrelid = t.oid and attrelid = t.oid and indisprimary order by place) as key,
    array(select distinct confrelid::regclass::text from pg_constraint where contype = 'f' and conrelid = t.oid) as parents,
    (select pg_get_serial_sequence(quote_ident(relname), attname) from pg_attribute
      where attrelid = t.oid and attidentity <> '' limit 1) as sequence
  from pg_class t
  where relkind in ('r', 'p') and not relispartition and relnamespace = current_schema()::regnamespace
  order by relname`;

interface PostgresTable extends Table {
  types: string[];
  sequence: string | null;
}

export class PostgresSide implements Side {
  readonly name: string;
  private readonly client: pg.Client;
  private readonly known = new Map<string, PostgresTable>();
  private readonly partitions: PartitionedReadings;

  private constructor(settings: PostgresSettings) {
    this.name = whereOf(settings);
    this.client = new pg.Client(connectionOf(settings));
    // It comes as the failure of the query under way too.
    this.client.on('error', () => undefined);
    // In this transaction: another connection would wait for it.
    this.partitions = new PartitionedReadings(this.client);
  }

  static async open(settings: PostgresSettings, { readOnly = false } = {}): Promise<PostgresSide> {
    const side = new PostgresSide(settings);
    await side.client.connect();
    await side.client.query(readOnly ? 'begin isolation level repeatable read read only' : 'begin');
    const { rows } = await side.client.query<PostgresTable>(TABLES);
    for (const row of rows) {
      if (!isOfMigrator(row.name)) side.known.set(row.name, row);
    }
    return side;
  }

  tables(): Promise<Table[]> {
    return Promise.resolve([...this.known.values()]);
  }

  async migrations(): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string }>('select name from kysely_migration');
    return rows.map(({ name }) => name).sort();
  }

  async count({ name }: Table): Promise<number> {
    const sql = `select count(*)::int as count from ${escapeIdentifier(name)}`;
    return (await this.client.query<{ count: number }>(sql)).rows[0]!.count;
  }

  async *rows(table: Table): AsyncIterable<Value[][]> {
    const { types: kinds, columns } = this.known.get(table.name)!;
    // As SQLite sorts texts: by their bytes.
    const order = table.key.map((name) => {
      const isText = kinds[columns.indexOf(name)] === 'text';
      return escapeIdentifier(name) + (isText ? ' collate "C"' : '');
    });
    const sql = `select ${table.columns.map(escapeIdentifier).join(', ')} from ${escapeIdentifier(table.name)} order by ${order.join(', ')}`;
    const cursor = this.client.query(new Cursor<Value[]>(sql, [], { rowMode: 'array', types }));
    const size = kinds.includes('bytea') ? PICTURES_AT_ONCE : ROWS_AT_ONCE;
    for (;;) {
      const rows = await cursor.read(size);
      if (rows.length === 0) break;
      yield rows;
    }
    await cursor.close();
  }

  async lastNumber({ name }: Table): Promise<number | undefined> {
    const { sequence } = this.known.get(name)!;
    if (!sequence) return undefined;
    const sql = `select last_value::float8 as last, is_called as "isCalled" from ${sequence}`;
    const { last, isCalled } = (await this.client.query<{ last: number; isCalled: boolean }>(sql)).rows[0]!;
    return isCalled ? last : undefined;
  }

  async write({ name, columns }: Table, rows: Value[][]): Promise<void> {
    const known = this.known.get(name)!;
    if (name === 'readings') {
      const at = columns.indexOf('observed_at');
      await this.partitions.ensure(Float64Array.from(rows, (row) => row[at] as number));
    }
    const arrays = columns.map(
      (column, index) => `$${index + 1}::${known.types[known.columns.indexOf(column)]}[]`,
    );
    await this.client.query({
      text: `insert into ${escapeIdentifier(name)} (${columns.map(escapeIdentifier).join(', ')})
        select * from unnest(${arrays.join(', ')})`,
      values: columns.map((_, index) => rows.map((row) => row[index])),
    });
  }

  async raiseNumber({ name }: Table, number: number): Promise<void> {
    const { sequence } = this.known.get(name)!;
    if (!sequence) return;
    const last = await this.lastNumber({ name } as Table);
    if (last === undefined || last < number)
      await this.client.query('select setval($1, $2)', [sequence, number]);
  }

  /** Others may read what is there until this transaction ends, and write nothing; then all of it goes. */
  async clear(childrenFirst: Table[]): Promise<void> {
    const names = childrenFirst.map(({ name }) => escapeIdentifier(name));
    await this.client.query(`lock table ${names.join(', ')} in exclusive mode`);
    // Not truncate: others would see the tables empty before the rest is there.
    for (const name of names) await this.client.query(`delete from ${name}`);
  }

  async commit(): Promise<void> {
    await this.client.query('commit');
    await this.client.end();
  }

  async rollback(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}
