import type { Pool } from 'pg';

/** The name and bounds of the partition in which a time lies: one for each month, in UTC. */
export function partitionOf(at: number): { name: string; from: number; to: number } {
  const date = new Date(at);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const name = `readings_${year}_${String(month + 1).padStart(2, '0')}`;
  return { name, from: Date.UTC(year, month), to: Date.UTC(year, month + 1) };
}

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

  private async make(at: number): Promise<void> {
    // TimescaleDB makes chunks by itself.
    this.isHypertable ??= await this.isOrdinaryTable();
    if (this.isHypertable) return;
    const { name, from, to } = partitionOf(at);
    try {
      await this.pool.query(
        `create table if not exists ${name} partition of readings for values from (${from}) to (${to})`,
      );
    } catch (error) {
      // Another process was making it just then; 42P07 and 23505 say that it is there now.
      if (!['42P07', '23505', '42710'].includes((error as { code?: string }).code ?? '')) throw error;
    }
    // The month at hand is asked for most.
    this.made.unshift({ from, to });
  }

  private async isOrdinaryTable(): Promise<boolean> {
    const { rows } = await this.pool.query<{ kind: string }>(
      `select relkind as kind from pg_class where oid = 'readings'::regclass`,
    );
    return rows[0]?.kind === 'r';
  }
}
