import type { Pool } from 'pg';

/** The name and bounds of the partition in which a time lies: one for each month, in UTC. */
export function partitionOf(at: number): { name: string; from: number; to: number } {
  const date = new Date(at);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const name = `readings_${year}_${String(month + 1).padStart(2, '0')}`;
  return { name, from: Date.UTC(year, month), to: Date.UTC(year, month + 1) };
}

/** There already: the table, its name or its type; a partition already. */
const MADE_BY_ANOTHER = new Set(['42P07', '23505', '42710', '42809']);

/** What a row is refused with for which there is none, a violated check. */
const NO_PARTITION = '23514';

/** PostgreSQL takes no row for which there is no partition: they are made as they are needed. */
export class PartitionedReadings {
  /** Bounds of those that are there. */
  private readonly made: { from: number; to: number }[] = [];
  private isHypertable: boolean | undefined;

  constructor(private readonly pool: Pick<Pool, 'query'>) {}

  async ensure(times: Float64Array): Promise<void> {
    for (const at of times) {
      if (this.isHypertable) return;
      if (this.made.some(({ from, to }) => at >= from && at < to)) continue;
      await this.make(at);
    }
  }

  /** Another process removes months that have come of age: whoever found that one was missing looks again. */
  forgetIfMissing(error: unknown): void {
    if ((error as { code?: string }).code === NO_PARTITION) this.made.length = 0;
  }

  private async make(at: number): Promise<void> {
    // TimescaleDB makes chunks by itself.
    this.isHypertable ??= await this.isOrdinaryTable();
    if (this.isHypertable) return;
    const { name, from, to } = partitionOf(at);
    if (!(await this.isThere(name))) {
      try {
        // `partition of` would wait for everybody who reads, and all others behind it: attaching waits for nobody.
        await this.pool.query(`create table if not exists ${name} (like readings including all)`);
        await this.pool.query(
          `alter table readings attach partition ${name} for values from (${from}) to (${to})`,
        );
      } catch (error) {
        // Another process was making it just then.
        if (!MADE_BY_ANOTHER.has((error as { code?: string }).code ?? '')) throw error;
        if (!(await this.isThere(name))) return this.make(at);
      }
    }
    // The month at hand is asked for most.
    this.made.unshift({ from, to });
  }

  private async isThere(name: string): Promise<boolean> {
    const { rows } = await this.pool.query(
      `select 1 from pg_class where oid = to_regclass('${name}') and relispartition`,
    );
    return rows.length > 0;
  }

  private async isOrdinaryTable(): Promise<boolean> {
    const { rows } = await this.pool.query<{ kind: string }>(
      `select relkind as kind from pg_class where oid = 'readings'::regclass`,
    );
    return rows[0]?.kind === 'r';
  }
}
