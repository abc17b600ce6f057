import type { Kysely } from 'kysely';

import type { Retention } from '../platform/config.js';
import type { Level } from './series-grid.js';

/** Until when what is of a level was removed for its age; what is younger is all there. */
export interface Retired {
  raw: number;
  hourly: number;
}

export interface RetentionTables {
  retired: { level: Level; horizon: number };
}

const DAY_MS = 86_400_000;

/** What was observed before this is too old to be kept, or taken: the beginning of a day in UTC; 0 where nothing is. */
export function horizonOf(level: Level, retention: Retention, now: number): number {
  const days = { raw: retention.rawDays, hourly: retention.hourlyDays, daily: retention.dailyDays }[level];
  return days === 0 ? 0 : Math.floor(now / DAY_MS - days) * DAY_MS;
}

/** @param database one that has these tables, whatever else it has */
export async function retiredIn(database: Pick<Kysely<never>, 'getExecutor'>): Promise<Retired> {
  const rows = await (database as unknown as Kysely<RetentionTables>)
    .selectFrom('retired')
    .selectAll()
    .execute();
  const horizon = (level: Level): number => rows.find((row) => row.level === level)?.horizon ?? 0;
  return { raw: horizon('raw'), hourly: horizon('hourly') };
}
