import { DatabaseSync } from 'node:sqlite';
import { Client } from 'undici';

import { bodies } from './ingest/http-load.ts';
import { ADMIN_KEY, end, type Served, serveOurs } from './processes.ts';
import {
  type FilledStore,
  filledStore,
  FROM,
  MINUTE_MS,
  NO_BROKER,
  READINGS_A_SENSOR,
  TO,
} from './query/store.ts';
import { type Figure, median, percentile, rounded } from './report.ts';

const MONTH_MS = 30 * 86_400_000;
const ROUNDS = 200;
const INGEST_ROUNDS = 60;
const WARM_UP = 20;

export async function benchQuery(): Promise<Figure[]> {
  const large = await filledStore(100);
  const small = await filledStore(2);
  const ours = await serveOurs(large.dataDir, NO_BROKER);
  try {
    const figures = await benchCharts(ours, large);
    const oursSmall = await serveOurs(small.dataDir, NO_BROKER);
    try {
      return [...figures, ...(await benchCost({ ours, large, oursSmall, small }))];
    } finally {
      await end(oursSmall);
    }
  } finally {
    await end(ours);
  }
}

interface Chart {
  key: string;
  meaning: string;
  bucket: string;
  spanMs: number;
  buckets: number;
  target?: Figure['target'];
  /** What one would write by hand; parameters: sensor, from, to, width. */
  bare: string;
}

const GROUPED = `
  select cast(observed_at / ?4 as integer) as bucket, min(value), avg(value), max(value), count(value) from readings
  where sensor_number = ?1 and observed_at >= ?2 and observed_at < ?3 and quality = 0 group by bucket order by bucket`;
const ROLLED_UP = (table: string): string => `
  select at, min, sum / count, max, count from ${table} where sensor_number = ?1 and at >= ?2 and at < ?3 + 0 * ?4
  order by at`;

const CHARTS: Chart[] = [
  {
    key: 'month',
    meaning: 'a month at one minute, in 1,000 buckets',
    bucket: 'points=1000',
    spanMs: MONTH_MS,
    buckets: 1000,
    target: { atMost: 10 },
    bare: GROUPED,
  },
  {
    key: 'year_daily',
    meaning: 'a year by days, from roll-ups',
    bucket: 'bucket=day',
    spanMs: TO - FROM,
    buckets: 365,
    target: { atMost: 10 },
    bare: ROLLED_UP('rollups_daily'),
  },
  {
    key: 'year_hourly',
    meaning: 'a year by hours (8,760 buckets, 1 MB of JSON), from roll-ups',
    bucket: 'bucket=hour',
    spanMs: TO - FROM,
    buckets: 8_760,
    bare: ROLLED_UP('rollups_hourly'),
  },
  {
    key: 'year_points',
    meaning: 'a year in 1,000 points, which are 974 buckets of 9 hours, from roll-ups',
    bucket: 'points=1000',
    spanMs: TO - FROM,
    buckets: 974,
    bare: GROUPED,
  },
];

/** Any sensor, any time: the whole store is asked for. */
async function benchCharts({ url }: Served, { sensors, numbers, file }: FilledStore): Promise<Figure[]> {
  const client = new Client(url, { pipelining: 1 });
  const database = new DatabaseSync(file, { readOnly: true });
  database.exec('PRAGMA cache_size = -65536');
  const figures: Figure[] = [];
  for (const chart of CHARTS) {
    const bare = database.prepare(chart.bare);
    bare.setReturnArrays(true);
    const times: number[] = [];
    const bareTimes: number[] = [];
    for (let round = 0; round < WARM_UP + ROUNDS; round++) {
      const sensor = Math.floor(Math.random() * sensors.length);
      const latest = (TO - FROM - chart.spanMs) / MINUTE_MS;
      const from = FROM + Math.floor(Math.random() * latest) * MINUTE_MS;
      const to = from + chart.spanMs;
      const period = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
      const path = `/v1/systems/farm/series?sensor=${sensors[sensor]}&${period}&${chart.bucket}`;
      const asked = performance.now();
      const { statusCode, body } = await client.request({
        method: 'GET',
        path,
        headers: { authorization: `Bearer ${ADMIN_KEY}` },
      });
      const text = await body.text();
      const answered = performance.now();
      const found = bare.all(numbers[sensor]!, from, to, chart.spanMs / chart.buckets).length;
      const done = performance.now();
      const { series } = JSON.parse(text) as { series?: { buckets: unknown[] }[] };
      if (statusCode !== 200 || series?.[0]?.buckets.length !== chart.buckets || found < chart.buckets) {
        throw new Error(`${path} answered ${statusCode}: ${text.slice(0, 300)}`);
      }
      if (round < WARM_UP) continue;
      times.push(answered - asked);
      bareTimes.push(done - answered);
    }
    const [p50, bareP50] = [median(times), median(bareTimes)];
    figures.push(
      { key: `${chart.key}_p50_ms`, value: rounded(p50), meaning: chart.meaning, target: chart.target },
      { key: `${chart.key}_p99_ms`, value: rounded(percentile(times, 0.99)), meaning: 'the same' },
      {
        key: `${chart.key}_bare_p50_ms`,
        value: rounded(bareP50),
        meaning: 'bare SQL in the process, no JSON',
      },
      { key: `${chart.key}_of_bare`, value: rounded(p50 / bareP50), meaning: 'ours over HTTP / bare SQL' },
    );
  }
  database.close();
  await client.close();
  return figures;
}

interface Stores {
  ours: Served;
  large: FilledStore;
  oursSmall: Served;
  small: FilledStore;
}

/** Batches of 1,000 readings of two sensors each: to either store the same, one after the other. */
async function benchCost({ ours, large, oursSmall, small }: Stores): Promise<Figure[]> {
  const sides = [
    { url: ours.url, times: [] as number[] },
    { url: oursSmall.url, times: [] as number[] },
  ];
  const load = { sensors: small.sensors, readings: 1_000, requests: INGEST_ROUNDS + WARM_UP, startMs: TO };
  const all = bodies({ ...load, url: '', key: '', system: '', connections: 1 });
  const clients = sides.map(({ url }) => new Client(url, { pipelining: 1 }));
  let round = 0;
  for (const body of all) {
    // In turns, either first as often.
    for (const side of round % 2 ? [0, 1] : [1, 0]) {
      const sent = performance.now();
      const answer = await clients[side]!.request({
        method: 'POST',
        path: '/v1/systems/farm/readings',
        headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
        body,
      });
      const text = await answer.body.text();
      if (!text.startsWith('{"stored":1000,')) throw new Error(`answered ${text.slice(0, 300)}`);
      if (round >= WARM_UP) sides[side]!.times.push(performance.now() - sent);
    }
    round += 1;
  }
  await Promise.all(clients.map((client) => client.close()));
  const [atLarge, atSmall] = sides.map(({ times }) => median(times)) as [number, number];
  const millions = (readings: number): string => `${(readings / 1e6).toFixed(1)} million`;
  return [
    {
      key: 'batch_at_large_ms',
      value: rounded(atLarge),
      meaning: `a batch of 1,000 with ${millions(large.readings)} stored`,
    },
    {
      key: 'batch_at_small_ms',
      value: rounded(atSmall),
      meaning: `the same with ${millions(2 * READINGS_A_SENSOR)} stored`,
    },
    {
      key: 'cost_large_of_small',
      value: rounded(atLarge / atSmall),
      meaning: 'their ratio',
      target: { atMost: 1.3 },
    },
  ];
}
