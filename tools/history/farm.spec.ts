import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

import { Farm, Interrupted } from './farm.ts';

let server: Server | undefined;
afterEach(() => void server?.close());

/** A service that answers as told, request by request; the last answer stays. */
async function farmOf(
  answers: RequestListener[],
  { patienceMs = 5_000, interrupt = new AbortController() } = {},
) {
  let count = 0;
  server = createServer((request, response) =>
    answers[Math.min(count++, answers.length - 1)]!(request, response),
  );
  await new Promise<void>((done) => server!.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const said: string[] = [];
  const farm = new Farm({
    url,
    key: 'secret',
    patienceMs,
    interrupt: interrupt.signal,
    say: (text) => said.push(text),
  });
  return { farm, said, requests: () => count };
}

const answer =
  (status: number, body: unknown): RequestListener =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const hangUp: RequestListener = (request) => void request.socket.destroy();
const reading = { sensor: 'ph', value: 7, observedAt: '2021-10-10T00:00:00.000Z' };
const stored = answer(200, { results: [{ outcome: 'stored', quality: 'good', reasons: [] }] });

describe('Farm', () => {
  it('tries again while the service is busy, away or out of reach', async () => {
    const { farm, said, requests } = await farmOf([answer(503, {}), hangUp, answer(429, {}), stored]);
    expect(await farm.post('pond', [reading])).toEqual([{ outcome: 'stored', quality: 'good', reasons: [] }]);
    expect(requests()).toBe(4);
    expect(said).toEqual([expect.stringContaining('is busy or away (status 503); trying again')]);
  });

  it('gives up when its patience ends', async () => {
    const { farm } = await farmOf([hangUp], { patienceMs: 300 });
    await expect(farm.post('pond', [reading])).rejects.toThrow(
      /does not answer \(.+\); it was tried for 1 s/,
    );
  });

  it('stops at once at what trying again would not change, with its code and detail', async () => {
    const { farm, requests } = await farmOf([
      answer(401, { code: 'KEY.INVALID', detail: 'The key is not known' }),
    ]);
    await expect(farm.post('pond', [reading])).rejects.toThrow(
      /refused with KEY.INVALID: The key is not known; put a key .* AQUAPONIA_KEY/,
    );
    expect(requests()).toBe(1);
  });

  it('takes the verdicts of a batch that was refused as a whole', async () => {
    const results = [{ outcome: 'refused', error: { code: 'READING.FUTURE' } }];
    const { farm } = await farmOf([answer(422, { code: 'READINGS.REFUSED', detail: '', results })]);
    expect(await farm.post('pond', [reading])).toEqual(results);
  });

  it.each([
    ['no JSON', (_, response) => void response.end('<html>')],
    ['too few verdicts', answer(200, { results: [] })],
  ])('knows a stranger by %s', async (_, listener) => {
    const { farm } = await farmOf([listener]);
    await expect(farm.post('pond', [reading])).rejects.toThrow('does not answer as Aquaponia does');
  });

  it('stops waiting when the person does', async () => {
    const interrupt = new AbortController();
    const { farm } = await farmOf([hangUp], { interrupt });
    setTimeout(() => interrupt.abort(), 50);
    await expect(farm.post('pond', [reading])).rejects.toThrow(Interrupted);
  });
});
