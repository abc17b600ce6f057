import { Client } from 'undici';

import { percentile } from './report.ts';

export interface Load {
  url: string;
  path: string;
  headers: Record<string, string>;
  body: string | Buffer;
}

export interface LoadResult {
  p50Ms: number;
  p99Ms: number;
  requestsPerSecond: number;
}

/** A closed loop: each connection sends its next request when the answer to the last is there. */
export async function applyLoad(load: Load, connections: number, requests: number): Promise<LoadResult> {
  const times: number[] = [];
  let left = requests;
  const clients = Array.from({ length: connections }, () => new Client(load.url, { pipelining: 1 }));
  const started = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0) {
        const sent = performance.now();
        const { statusCode, body } = await client.request({
          method: 'POST',
          path: load.path,
          headers: load.headers,
          body: load.body,
        });
        const text = await body.text();
        times.push(performance.now() - sent);
        if (statusCode >= 300) throw new Error(`${load.path} answered ${statusCode}: ${text}`);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(clients.map((client) => client.close()));
  return {
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    requestsPerSecond: requests / seconds,
  };
}
