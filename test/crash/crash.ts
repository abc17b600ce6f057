/**
 * `npm run crash -- [--kills 50] [--store sqlite|postgres]`: kills the service with SIGKILL again and again while
 * devices send over every protocol, each until it is told that its reading is stored. Then: is everything there that was
 * acknowledged, once, with its own figure, and do the hours add up?
 */
import { DatabaseSync } from 'node:sqlite';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';

import { ask, Postgres } from '../helpers/postgres.ts';
import { ADMIN_KEY, Server } from '../helpers/server.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, store: { type: 'string', default: 'sqlite' } },
});
const kills = Number(values.kills);
const START = Date.UTC(2026, 0, 1);
const HTTP = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };

interface Sent {
  at: number;
  value: number;
}

/** Sends one thing; resolves only when the service says that it is stored. */
type Send = (server: Server, sensor: string, readings: Sent[], id: string) => Promise<void>;

/** A device: its readings one after another, each again until it is acknowledged. */
interface Writer {
  sensor: string;
  perMessage: number;
  send: Send;
  acknowledged: Sent[];
  /** Sent, and nobody knows: allowed to be there or not. */
  pending: Sent[];
  retries: number;
}

async function post(
  server: Server,
  path: string,
  body: string,
  headers: Record<string, string>,
): Promise<void> {
  const signal = AbortSignal.timeout(5_000);
  const answer = await fetch(server.url + path, { method: 'POST', headers, body, signal });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`);
  if (/"refused":[1-9]/.test(text)) throw new Refused(text);
}

/** Would never be taken: an error of this script. */
class Refused extends Error {}

const json: Send = (server, sensor, readings) =>
  post(
    server,
    '/v1/systems/farm/readings',
    JSON.stringify({
      readings: readings.map(({ at, value }) => ({ sensor, value, observedAt: new Date(at).toISOString() })),
    }),
    HTTP,
  );

/** Names no time: only the key tells that it comes again. */
const keyed: Send = (server, sensor, [sent], id) =>
  post(server, '/v1/systems/farm/readings', JSON.stringify({ readings: [{ sensor, value: sent!.value }] }), {
    ...HTTP,
    'idempotency-key': id,
  });

const senml: Send = (server, sensor, readings) =>
  post(
    server,
    '/v1/systems/farm/senml',
    JSON.stringify(readings.map(({ at, value }) => ({ n: sensor, v: value, t: at / 1000 }))),
    { ...HTTP, 'content-type': 'application/senml+json' },
  );

const lines: Send = (server, sensor, readings) =>
  post(
    server,
    '/api/v2/write?bucket=farm&precision=ms',
    readings.map(({ at, value }) => `${sensor} value=${value} ${at}`).join('\n'),
    { authorization: `Token ${ADMIN_KEY}`, 'content-type': 'text/plain' },
  );

const mqttClients = new Map<string, mqtt.MqttClient>();
let mqttPort = 0;

const overMqtt: Send = async (_server, sensor, [sent]) => {
  let client = mqttClients.get(sensor);
  if (!client) {
    client = mqtt.connect(`mqtt://127.0.0.1:${mqttPort}`, {
      username: 'crash',
      password: ADMIN_KEY,
      clientId: sensor,
      clean: true,
      reconnectPeriod: 100,
      connectTimeout: 2_000,
    });
    client.on('error', () => undefined);
    mqttClients.set(sensor, client);
  }
  await client.publishAsync(
    `aquaponia/farm/${sensor}`,
    JSON.stringify({ value: sent!.value, observedAt: new Date(sent!.at).toISOString() }),
    { qos: 1 },
  );
};

const WRITERS: [name: string, count: number, perMessage: number, send: Send][] = [
  ['json', 6, 1, json],
  ['batch', 2, 200, json],
  ['keyed', 2, 1, keyed],
  ['senml', 2, 5, senml],
  ['lines', 2, 20, lines],
  ['mqtt', 6, 1, overMqtt],
];

const writers: Writer[] = WRITERS.flatMap(([name, count, perMessage, send]) =>
  Array.from({ length: count }, (_, index) => ({
    sensor: `${name}-${index}`,
    perMessage,
    send,
    acknowledged: [],
    pending: [],
    retries: 0,
  })),
);

let isOver = false;

async function write(writer: Writer, server: Server): Promise<void> {
  let number = 0;
  while (!isOver) {
    const readings = Array.from({ length: writer.perMessage }, () => {
      number += 1;
      return { at: START + number * 1_000, value: number };
    });
    writer.pending = readings;
    const id = `${writer.sensor}-${number}`;
    while (writer.pending.length > 0) {
      try {
        await writer.send(server, writer.sensor, readings, id);
        writer.acknowledged.push(...readings);
        writer.pending = [];
      } catch (error) {
        if (error instanceof Refused) throw error;
        writer.retries += 1;
        if (isOver) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

const listener = createServer().listen(0, '127.0.0.1');
await once(listener, 'listening');
({ port: mqttPort } = listener.address() as { port: number });
listener.close();

const postgres = values.store === 'postgres' ? await Postgres.start() : undefined;
const url = await postgres?.database();
const server = await Server.start({ MQTT_PORT: String(mqttPort), ...(url && { DATABASE_URL: url }) });
const made = async (path: string, body: object): Promise<void> => {
  const { status, body: said } = await server.post(path, body);
  if (status >= 300) throw new Error(`${path}: ${JSON.stringify(said)}`);
};
await made('/v1/systems', { id: 'farm', name: 'Farm', species: 'nile-tilapia', crop: 'lettuce' });
await made('/v1/systems/farm/devices', { id: 'board', name: 'Board' });
for (const { sensor } of writers) {
  // A quantity with a wide range, so that each reading can carry its number.
  await made('/v1/systems/farm/sensors', {
    id: sensor,
    deviceId: 'board',
    quantity: 'fish-count',
    place: 'tank',
  });
}

const running = writers.map((writer) => write(writer, server));
const started = Date.now();
let killed = 0;
while (killed < kills) {
  await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 1_000));
  await server.signal('SIGKILL');
  killed += 1;
  await server.launch({ untilReady: false });
  process.stderr.write(`\rkilled ${killed} of ${kills}`);
}
await new Promise((resolve) => setTimeout(resolve, 1_000));
isOver = true;
// A message that waits for a broker waits for ever.
await Promise.race([Promise.all(running), new Promise((resolve) => setTimeout(resolve, 10_000))]);
await Promise.all([...mqttClients.values()].map((client) => client.endAsync(true)));
await server.signal('SIGTERM');
process.stderr.write('\n');

interface StoredRow {
  sensor: string;
  at: number;
  raw: number;
}

const select = async <Row>(sql: string): Promise<Row[]> => {
  if (url) return (await ask(url, sql)) as Row[];
  const database = new DatabaseSync(join(server.dataDir, 'aquaponia.db'), { readOnly: true });
  const rows = database.prepare(sql).all() as Row[];
  database.close();
  return rows;
};

const stored = new Map<string, StoredRow[]>();
for (const row of await select<StoredRow>(
  'select id as sensor, observed_at as at, raw from readings join sensors on number = sensor_number order by 2',
)) {
  const rows = stored.get(row.sensor) ?? [];
  rows.push({ ...row, at: Number(row.at) });
  stored.set(row.sensor, rows);
}
let [acknowledged, lost, duplicated, wrong, unknown, retries] = [0, 0, 0, 0, 0, 0];
for (const writer of writers) {
  const rows = stored.get(writer.sensor) ?? [];
  // A keyed reading has the time of its arrival: it is known by its figure, which no other has.
  const keyOf = writer.send === keyed ? ({ raw }: StoredRow) => raw : ({ at }: StoredRow) => at;
  const byKey = new Map<number, StoredRow[]>();
  for (const row of rows) byKey.set(keyOf(row), [...(byKey.get(keyOf(row)) ?? []), row]);
  const known = new Set<number>();
  for (const sent of writer.acknowledged) {
    const key = writer.send === keyed ? sent.value : sent.at;
    known.add(key);
    const found = byKey.get(key) ?? [];
    if (found.length === 0) lost += 1;
    if (found.length > 1) duplicated += 1;
    if (found.some(({ raw }) => raw !== sent.value)) wrong += 1;
  }
  for (const { at, value } of writer.pending) known.add(writer.send === keyed ? value : at);
  for (const key of byKey.keys()) if (!known.has(key)) unknown += 1;
  acknowledged += writer.acknowledged.length;
  retries += writer.retries;
}
const miscounted = await select<object>(`
  select kept.sensor_number from (
    select sensor_number, sum(count + suspect + bad) as counted from rollups_hourly group by 1
  ) as kept join (
    select sensor_number, count(*) as counted from readings group by 1
  ) as there on kept.sensor_number = there.sensor_number where kept.counted <> there.counted`);
const damage = url ? [] : await select<{ integrity_check: string }>('pragma integrity_check');
const isSound = damage.every(({ integrity_check: said }) => said === 'ok');

console.log(`store            ${values.store}`);
console.log(`killed           ${killed} times in ${Math.round((Date.now() - started) / 1000)} s`);
console.log(`acknowledged     ${acknowledged} readings (${retries} times sent again)`);
for (const [name] of WRITERS) {
  const ofKind = writers.filter(({ sensor }) => sensor.startsWith(`${name}-`));
  console.log(`  ${name.padEnd(14)} ${ofKind.reduce((sum, writer) => sum + writer.acknowledged.length, 0)}`);
}
console.log(`lost             ${lost}`);
console.log(`duplicated       ${duplicated}`);
console.log(`other figure     ${wrong}`);
console.log(`never sent       ${unknown}`);
console.log(`hours miscounted ${miscounted.length} sensors`);
if (!url) console.log(`file             ${isSound ? 'sound' : 'DAMAGED'}`);
await postgres?.stop();
await server.stop();
const isGood = lost + duplicated + wrong + unknown + miscounted.length === 0 && isSound && acknowledged > 0;
process.exit(isGood ? 0 : 1);
