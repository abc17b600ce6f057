import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { load, SENSORS } from './ingest.ts';
import { end, makeFarm, serveOurs } from './processes.ts';
import { type Figure, rounded } from './report.ts';

const MINUTES = 10;
const SAMPLE_MS = 5_000;

/** Whether memory stays where it is through ten minutes of as many readings as go in. */
export async function benchSoak(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-soak-'));
  const served = await serveOurs(folder);
  try {
    await makeFarm(served, SENSORS);
    const target = { served, startMs: Date.UTC(2001, 0, 1) };
    const memory: number[] = [];
    const sampling = setInterval(() => memory.push(residentMb(served.child.pid!)), SAMPLE_MS);
    const until = Date.now() + MINUTES * 60_000;
    let readings = 0;
    // Several clients, so that one of them is always sending.
    const client = async (): Promise<void> => {
      while (Date.now() < until) {
        await load(target, { connections: 4, readings: 1_000, requests: 300 });
        readings += 300_000;
      }
    };
    const started = performance.now();
    await Promise.all([client(), client(), client()]);
    const seconds = (performance.now() - started) / 1000;
    clearInterval(sampling);
    const minute = 60_000 / SAMPLE_MS;
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    return [
      { key: 'soak_minutes', value: rounded(seconds / 60), meaning: 'at full load' },
      {
        key: 'soak_readings_per_s',
        value: rounded(readings / seconds),
        meaning: 'HTTP, 1,000 readings a request, durable',
      },
      {
        key: 'soak_second_minute_mb',
        value: rounded(mean(memory.slice(minute, 2 * minute))),
        meaning: 'resident memory of the Node process',
      },
      { key: 'soak_last_minute_mb', value: rounded(mean(memory.slice(-minute))), meaning: 'the same' },
      {
        key: 'soak_most_mb',
        value: rounded(Math.max(...memory)),
        meaning: 'the same',
        target: { atMost: 600 },
      },
    ];
  } finally {
    await end(served);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of the process itself, without the scripts that it keeps warm. Linux only. */
function residentMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
