/**
 * A client process: posts bodies made beforehand, so that only sending is measured.
 * Started with the load as JSON in its last argument; prints a LoadResult as JSON.
 */
import { Client } from 'undici';

import { percentile } from '../report.ts';

export interface IngestLoad {
  url: string;
  key: string;
  system: string;
  sensors: string[];
  connections: number;
  /** In one request. */
  readings: number;
  requests: number;
  /** When the first reading was observed, in milliseconds since 1970. */
  startMs: number;
}

export interface IngestResult {
  p50Ms: number;
  p99Ms: number;
  readingsPerSecond: number;
}

const MINUTE_MS = 60_000;

/** Every sensor once a minute, one after another, for as many minutes as it takes. */
export function* bodies({ sensors, readings, requests, startMs }: IngestLoad): Generator<string> {
  let index = 0;
  for (let request = 0; request < requests; request++) {
    const items: string[] = [];
    for (let item = 0; item < readings; item++, index++) {
      const minute = Math.floor(index / sensors.length);
      const at = new Date(startMs + minute * MINUTE_MS).toISOString();
      const value = (24 + 2 * Math.sin(minute / 200) + (index % 17) / 100).toFixed(2);
      items.push(`{"sensor":"${sensors[index % sensors.length]}","value":${value},"observedAt":"${at}"}`);
    }
    yield `{"readings":[${items.join(',')}]}`;
  }
}

async function apply(load: IngestLoad): Promise<IngestResult> {
  // Taken from the end: the oldest first.
  const prepared = [...bodies(load)].reverse();
  const clients = Array.from({ length: load.connections }, () => new Client(load.url, { pipelining: 1 }));
  const times: number[] = [];
  const started = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      for (let body = prepared.pop(); body; body = prepared.pop()) {
        const sent = performance.now();
        const answer = await client.request({
          method: 'POST',
          path: `/v1/systems/${load.system}/readings`,
          headers: { authorization: `Bearer ${load.key}`, 'content-type': 'application/json' },
          body,
        });
        const text = await answer.body.text();
        times.push(performance.now() - sent);
        if (answer.statusCode !== 200 || !text.startsWith(`{"stored":${load.readings},`)) {
          throw new Error(`answered ${answer.statusCode}: ${text.slice(0, 300)}`);
        }
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  return {
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    readingsPerSecond: (load.requests * load.readings) / seconds,
  };
}

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(await apply(JSON.parse(process.argv[2]!) as IngestLoad)));
}
