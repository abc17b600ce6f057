import { type SelectQueryBuilder, sql } from 'kysely';

import type { PageQuery } from '../http/page.js';

/** A page of a table whose `id` only grows, for `$call`. */
export const newestFirst =
  ({ limit, before }: PageQuery) =>
  <DB, Table extends keyof DB, Row>(
    query: SelectQueryBuilder<DB, Table, Row>,
  ): SelectQueryBuilder<DB, Table, Row> => {
    const id = sql.ref<number>('id');
    return (before === undefined ? query : query.where(id, '<', before)).orderBy(id, 'desc').limit(limit);
  };
