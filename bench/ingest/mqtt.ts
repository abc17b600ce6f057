import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ADMIN_KEY, end, ROOT, serveBareBroker, serveOurs } from '../processes.ts';
import { type Figure, percentile, rounded } from '../report.ts';

const CLIENTS = 50;
const MESSAGES = 3_000;
const WARM_UP = 400;
/** Unacknowledged at once: what a client may have that does not wait for each, and a simple one that does. */
const WINDOW = 20;
const SENSORS = ['water-temperature', 'air-temperature', 'canal-water-temperature', 'nitrate', 'flow-rate'];

interface Published {
  perSecond: number;
  p99Ms: number;
}

/** QoS 1, a reading a message, acknowledged when it is durable; beside a broker that does nothing with the message. */
export async function benchMqtt(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'aquaponia-bench-'));
  const ours = await serveOurs(folder);
  const bare = await serveBareBroker();
  try {
    for (let number = 0; number < CLIENTS; number++) await makeSystem(ours.url, `farm-${number}`);
    const barePort = Number(new URL(bare.url).port);
    await publish(barePort, 'plain', WINDOW, WARM_UP, 0);
    await publish(ours.mqttPort!, 'plain', WINDOW, WARM_UP, 0);
    const limit = await publish(barePort, 'plain', WINDOW, MESSAGES, 0);
    const plain = await publish(ours.mqttPort!, 'plain', WINDOW, MESSAGES, 0);
    const timed = await publish(ours.mqttPort!, 'timed', WINDOW, MESSAGES, Date.now() - 3_600_000);
    const patient = await publish(ours.mqttPort!, 'plain', 1, MESSAGES / 3, 0);
    await expectStored(ours.url, CLIENTS * (WARM_UP + 2 * MESSAGES + MESSAGES / 3));
    const of = `QoS 1 messages a second from ${CLIENTS} clients`;
    return [
      figure('mqtt_messages_per_second', plain.perSecond, `${of}, ${WINDOW} under way each; a number each`, {
        atLeast: 15_000,
      }),
      figure('mqtt_share_of_bare_broker', plain.perSecond / limit.perSecond, 'of what the next line does'),
      figure('mqtt_bare_broker_per_second', limit.perSecond, 'the same to aedes alone, which stores nothing'),
      figure('mqtt_p99_ms', plain.p99Ms, 'from PUBLISH to PUBACK, the slowest of a hundred'),
      figure('mqtt_json_per_second', timed.perSecond, 'the same as JSON with a time of its own'),
      figure('mqtt_one_by_one_per_second', patient.perSecond, 'the same, each client waiting for its PUBACK'),
      figure('mqtt_one_by_one_p99_ms', patient.p99Ms, 'of those, the slowest of a hundred'),
    ];
  } finally {
    await Promise.all([end(ours), end(bare)]);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function makeSystem(url: string, id: string): Promise<void> {
  const body = { id, name: id, template: 'raft', species: 'nile-tilapia', crop: 'lettuce' };
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/systems`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`no system: ${await answer.text()}`);
}

/** In two processes, so that the clients are not what is measured. */
async function publish(
  port: number,
  payload: 'plain' | 'timed',
  window: number,
  messages: number,
  startAt: number,
): Promise<Published> {
  const halves = [0, 1].map((half) =>
    Array.from({ length: CLIENTS / 2 }, (_, place) => topicsOf(half * (CLIENTS / 2) + place)),
  );
  const results = await Promise.all(
    halves.map(async (topics) => {
      const child = fork(join(ROOT, 'bench/ingest/mqtt-publisher.ts'));
      child.send({ port, password: ADMIN_KEY, topics, payload, messages, window, startAt });
      const [result] = (await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(() => Promise.reject(new Error('a publisher ended early'))),
      ])) as [{ seconds: number; waits: number[] }];
      return result;
    }),
  );
  const seconds = Math.max(...results.map((result) => result.seconds));
  const waits = results.flatMap((result) => result.waits);
  return { perSecond: waits.length / seconds, p99Ms: percentile(waits, 0.99) };
}

/** Each client has a system of its own. */
const topicsOf = (client: number): string[] => SENSORS.map((sensor) => `aquaponia/farm-${client}/${sensor}`);

/** A reading that is refused is acknowledged too, and sooner. */
async function expectStored(url: string, messages: number): Promise<void> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const stored = [...metrics.matchAll(/readings_total\{outcome="stored".*\} (\d+)/g)];
  const sum = stored.reduce((total, [, count]) => total + Number(count), 0);
  if (sum !== messages) throw new Error(`${messages} were acknowledged, and ${sum} are stored`);
}

const figure = (key: string, value: number, meaning: string, target?: Figure['target']): Figure => ({
  key,
  value: rounded(value),
  meaning,
  ...(target && { target }),
});
