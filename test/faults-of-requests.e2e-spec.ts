import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { json, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp, { type Sharp } from 'sharp';

import { greyPng, jpegOf, plants } from './helpers/images.ts';
import { expectProblem } from './helpers/problem.ts';
import { ADMIN_KEY, type Answer, GREENHOUSE, Server } from './helpers/server.ts';

const HERE = '/v1/systems/greenhouse';
const MEBIBYTE = 1024 * 1024;

let server: Server;

beforeAll(async () => {
  server = await Server.start({ AQUAPONIA_LOG_LEVEL: 'debug' });
  await server.post('/v1/systems', GREENHOUSE);
  await server.post('/v1/systems', { ...GREENHOUSE, id: 'school' });
});
afterAll(() => server.stop());

/** All that a reader can see of what is stored. */
async function stored(): Promise<unknown[]> {
  const lists = [
    '/v1/systems',
    '/v1/keys',
    '/v1/webhooks',
    HERE,
    `${HERE}/decisions`,
    `${HERE}/commands`,
    `${HERE}/analyses`,
    `${HERE}/notifications`,
    ...['ph', 'water-temperature', 'canopy-cover'].map(
      (sensor) => `${HERE}/sensors/${sensor}/readings?from=1970-01-01T00:00:00Z&to=2100-01-01T00:00:00Z`,
    ),
  ];
  return Promise.all(lists.map(async (path) => (await server.get(path)).body as unknown));
}

async function expectNothingStored(act: () => Promise<void>): Promise<void> {
  const before = await stored();
  await act();
  expect(await stored()).toEqual(before);
}

/** Says how long a body will be and sends none of it: whoever refuses it by its length answers at once. */
async function announce(path: string, type: string, bytes: number): Promise<Answer> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': type, 'content-length': bytes };
  const asked = request(server.url + path, { method: 'POST', headers });
  asked.flushHeaders();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const body: unknown = await json(response);
  asked.on('error', () => undefined).destroy();
  return {
    status: response.statusCode!,
    headers: new Headers(response.headers as Record<string, string>),
    body,
  };
}

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('a request of the wrong form', () => {
  type Case = [what: string, method: string, path: string, body: unknown, field: string];

  it.each<Case>([
    [
      'a system with an unknown field',
      'POST',
      '/v1/systems',
      { ...GREENHOUSE, id: 'new', colour: 'red' },
      'colour',
    ],
    [
      'a system without a name',
      'POST',
      '/v1/systems',
      { id: 'new', species: 'nile-tilapia', crop: 'lettuce' },
      'name',
    ],
    [
      'a system of a number as its name',
      'POST',
      '/v1/systems',
      { ...GREENHOUSE, id: 'new', name: 7 },
      'name',
    ],
    ['a system with an id for a path', 'POST', '/v1/systems', { ...GREENHOUSE, id: '../etc' }, 'id'],
    [
      'a system of unknown fish',
      'POST',
      '/v1/systems',
      { ...GREENHOUSE, id: 'new', species: 'shark' },
      'species',
    ],
    [
      'a template named by a built-in',
      'POST',
      '/v1/systems',
      { ...GREENHOUSE, id: 'new', template: 'toString' },
      'template',
    ],
    [
      'an altitude as text',
      'POST',
      '/v1/systems',
      { ...GREENHOUSE, id: 'new', altitudeM: '250' },
      'altitudeM',
    ],
    [
      'an altitude above every mountain',
      'POST',
      '/v1/systems',
      { ...GREENHOUSE, id: 'new', altitudeM: 9000 },
      'altitudeM',
    ],
    ['a list for a system', 'POST', '/v1/systems', [GREENHOUSE], 'name'],
    ['a device without a name', 'POST', `${HERE}/devices`, { id: 'new' }, 'name'],
    [
      'a sensor of an unknown quantity',
      'POST',
      `${HERE}/sensors`,
      { id: 'new', deviceId: 'water', quantity: 'mood', place: 'tank' },
      'quantity',
    ],
    [
      'an actuator of an unknown kind',
      'POST',
      `${HERE}/actuators`,
      { id: 'new', deviceId: 'water', kind: 'cannon', place: 'tank' },
      'kind',
    ],
    ['no reading', 'POST', `${HERE}/readings`, { readings: [] }, 'readings'],
    ['readings that are no list', 'POST', `${HERE}/readings`, { readings: { ph: 7 } }, 'readings'],
    [
      'more readings than a batch holds',
      'POST',
      `${HERE}/readings`,
      { readings: Array(10_001).fill({ sensor: 'ph', value: 7 }) },
      'readings',
    ],
    [
      'an unknown field beside the readings',
      'POST',
      `${HERE}/readings`,
      { readings: [{ sensor: 'ph', value: 7 }], sensor: 'ph' },
      'sensor',
    ],
    ['an unknown input', 'POST', '/v1/control/evaluations', { inputs: { nitrate: 1 } }, 'inputs.nitrate'],
    ['an input beyond its range', 'POST', '/v1/control/evaluations', { inputs: { ph: 15 } }, 'inputs.ph'],
    ['an input as text', 'POST', '/v1/control/evaluations', { inputs: { ph: 'NaN' } }, 'inputs.ph'],
    ['inputs that are null', 'POST', '/v1/control/evaluations', { inputs: null }, 'inputs'],
    [
      'a crop without a species',
      'POST',
      '/v1/control/evaluations',
      { inputs: { ph: 7 }, crop: 'basil' },
      'crop',
    ],
    [
      'a decision with a word for a truth value',
      'POST',
      `${HERE}/decisions`,
      { issueCommands: 'yes' },
      'issueCommands',
    ],
    [
      'no reading to classify',
      'POST',
      '/v1/notifications/classifications',
      { readings: [], species: 'nile-tilapia' },
      'readings',
    ],
    [
      'null for a reading to classify',
      'POST',
      '/v1/notifications/classifications',
      { readings: [null], species: 'nile-tilapia' },
      'readings.0',
    ],
    [
      'an unknown quantity to classify',
      'POST',
      '/v1/notifications/classifications',
      { readings: [{ quantity: 'mood', value: 1 }], species: 'nile-tilapia' },
      'readings.0.quantity',
    ],
    ['a webhook to a file', 'POST', '/v1/webhooks', { id: 'new', url: 'file:///etc/passwd' }, 'url'],
    ['a key of an unknown role', 'POST', '/v1/keys', { id: 'new', role: 'root' }, 'role'],
    [
      'a command that ended in another way than there is',
      'POST',
      `${HERE}/commands/1/acknowledgement`,
      { outcome: 'maybe' },
      'outcome',
    ],
    ['a body where none is taken', 'POST', `${HERE}/classifications`, { foo: 1 }, 'foo'],
    ['a parameter where none is taken', 'GET', '/v1/systems?foo=1', undefined, 'foo'],
    [
      'a time for a photo of no system',
      'POST',
      '/v1/analyses?observedAt=2026-01-01T00:00:00Z',
      undefined,
      'observedAt',
    ],
    ['no body where a name is wanted', 'POST', '/v1/systems', undefined, 'name'],
    ['null where a name is wanted', 'POST', '/v1/systems', 'null', 'name'],
    ['no body where readings are wanted', 'POST', `${HERE}/readings`, undefined, 'readings'],
    ['a day that is not', 'GET', `${HERE}/sensors/ph/readings?from=2024-02-30T00:00:00Z`, undefined, 'from'],
    ['a page of nothing', 'GET', `${HERE}/decisions?limit=0`, undefined, 'limit'],
    ['a page without end', 'GET', `${HERE}/notifications?limit=1001`, undefined, 'limit'],
    ['two limits', 'GET', `${HERE}/sensors/ph/readings?limit=1&limit=2`, undefined, 'limit'],
    ['an unknown parameter', 'GET', `${HERE}/sensors/ph/readings?since=0`, undefined, 'since'],
    ['a time in words', 'GET', `${HERE}/sensors/ph/readings?from=yesterday`, undefined, 'from'],
    [
      'a period that ends before it begins',
      'GET',
      `${HERE}/sensors/ph/readings?from=2026-02-02&to=2026-02-01`,
      undefined,
      'from',
    ],
    ['buckets without a width', 'GET', `${HERE}/series?bucket=0`, undefined, 'bucket'],
    [
      'buckets too many to answer',
      'GET',
      `${HERE}/series?bucket=1&from=2000-01-01T00:00:00Z`,
      undefined,
      'bucket',
    ],
  ])('%s is refused by the field at fault, and nothing is stored', async (_, method, path, body, field) => {
    await expectNothingStored(async () => {
      const answer = await server.request(method, path, body);
      expectProblem(answer, 400, 'REQUEST.INVALID');
      const problems = answer.body.errors as { field: string; code: string; message: string }[];
      expect(problems.map((problem) => problem.field)).toContain(field);
      for (const problem of problems) expect(problem.message).toMatch(/\w+ \w+/);
    });
  });

  it.each([
    ['no inputs', '/v1/control/evaluations', {}],
    ['no body', '/v1/control/evaluations', undefined],
    ['null for a body', '/v1/control/evaluations', 'null'],
    ['a list for inputs', '/v1/control/evaluations', { inputs: [] }],
    [
      'a list for a reading',
      '/v1/notifications/classifications',
      { readings: [[]], species: 'nile-tilapia' },
    ],
    ['a member named like a built-in', '/v1/control/evaluations', '{"inputs":{"ph":7},"toString":1}'],
    [
      'a nested member named like a built-in',
      '/v1/control/evaluations',
      '{"inputs":{"ph":7,"constructor":1}}',
    ],
  ])('%s is refused before any script is asked', async (_, path, body) => {
    expectProblem(await server.post(path, body), 400, 'REQUEST.INVALID');
  });

  it.each([
    ['a photo', Buffer.from('photo'), 'image/jpeg'],
    ['a list', [1], 'application/json'],
    ['a number', '7', 'application/json'],
  ])('%s where no body is taken is refused', async (_, body, type) => {
    const answer = await server.post(`${HERE}/classifications`, body, { 'content-type': type });
    expectProblem(answer, 400, 'REQUEST.INVALID');
  });

  it('leaves it to public routes what they are asked with', async () => {
    for (const path of ['/health/live?probe=1', '/metrics?name=up', '/docs/?x=1', '/openapi.json?x=1']) {
      expect([path, (await server.get(path)).status]).toEqual([path, 200]);
    }
  });

  it('that needs no body needs none, and keeps its defaults', async () => {
    const system = { ...GREENHOUSE, id: 'shed' };
    await server.post('/v1/systems', system);
    await server.post('/v1/systems/shed/readings', { readings: [{ sensor: 'ph', value: 7 }] });

    const decision = await server.post('/v1/systems/shed/decisions');
    expect([decision.status, decision.body.commands ?? []]).toEqual([201, []]);
  });

  it('says the limit that was passed', async () => {
    const { body } = await server.post('/v1/control/evaluations', { inputs: { ph: 15 } });
    expect(body.errors).toEqual([
      { field: 'inputs.ph', code: 'max', message: 'ph must not be greater than 14' },
    ]);
  });

  it.each([
    ['an empty body', ''],
    ['NaN, which JSON has not', '{"readings":[{"sensor":"ph","value":NaN}]}'],
    ['Infinity, which JSON has not', '{"readings":[{"sensor":"ph","value":Infinity}]}'],
    ['half a body', '{"readings":[{"sensor":"ph","va'],
    ['text', 'ph=7'],
    ['an attempt on the prototype', '{"readings":[{"sensor":"ph","value":7}],"__proto__":{"role":"admin"}}'],
    [
      'an attempt on the prototype of a reading',
      '{"readings":[{"sensor":"ph","value":7,"__proto__":{"role":"admin"}}]}',
    ],
    ['an attempt by the constructor', '{"constructor":{"prototype":{"role":"admin"}}}'],
  ])('%s is no JSON, and nothing is stored', (_, body) =>
    expectNothingStored(async () =>
      expectProblem(await server.post(`${HERE}/readings`, body), 400, 'BODY.NOT_JSON'),
    ),
  );

  it('nesting without end is refused like any other wrong type', () =>
    expectNothingStored(async () => {
      expectProblem(await server.post('/v1/systems', `{"id":${nested(20_000)}}`), 400, 'REQUEST.INVALID');
      const answer = await server.post(
        `${HERE}/readings`,
        `{"readings":[{"sensor":"ph","value":${nested(20_000)}}]}`,
      );
      expectProblem(answer, 422, 'READINGS.REFUSED');
    }));

  it('more than four mebibytes are refused unread', () =>
    expectNothingStored(async () => {
      const body = JSON.stringify({
        readings: [{ sensor: 'ph', value: 7 }],
        padding: 'x'.repeat(4 * MEBIBYTE),
      });
      // The connection is closed on a sender that goes on, which now and then sees that before the answer.
      const answer = await server.until(
        () => server.post(`${HERE}/readings`, body).catch(() => undefined),
        'it is answered',
      );
      expectProblem(answer, 413, 'BODY.TOO_LARGE');
    }));

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'image/gif'])(
    'a body of %s is refused by its type',
    (type) =>
      expectNothingStored(async () => {
        const answer = await server.post(`${HERE}/readings`, 'sensor=ph&value=7', { 'content-type': type });
        expect([400, 415]).toContain(answer.status);
        expectProblem(answer, answer.status, answer.status === 415 ? 'BODY.MEDIA_TYPE' : 'REQUEST.INVALID');
      }),
  );

  it('a photo where JSON is wanted, and JSON where a photo is wanted, are refused', () =>
    expectNothingStored(async () => {
      const jpeg = { 'content-type': 'image/jpeg' };
      expect((await server.post(`${HERE}/readings`, await jpegOf(16, 16), jpeg)).status).toBe(400);
      expectProblem(await server.post(`${HERE}/analyses`, { photo: 'x' }), 415, 'BODY.MEDIA_TYPE');
    }));

  it.each([
    ['a route that is not there', 'GET', '/v1/fish', 'ROUTE.NOT_FOUND'],
    ['a system that is not there', 'POST', '/v1/systems/nowhere/readings', 'SYSTEM.NOT_FOUND'],
    ['a sensor that is not there', 'GET', `${HERE}/sensors/nothing/readings`, 'SENSOR.NOT_FOUND'],
    ['a decision that is not there', 'GET', `${HERE}/decisions/1`, 'DECISION.NOT_FOUND'],
    ['a command that is not there', 'POST', `${HERE}/commands/1/acknowledgement`, 'COMMAND.NOT_FOUND'],
    [
      'a notification that is not there',
      'POST',
      `${HERE}/notifications/1/acknowledgement`,
      'NOTIFICATION.NOT_FOUND',
    ],
    ['a picture that is not there', 'GET', '/v1/analyses/1/overlay', 'OVERLAY.NOT_FOUND'],
    ['a key that is not there', 'DELETE', '/v1/keys/nobody', 'KEY.NOT_FOUND'],
    ['a webhook that is not there', 'DELETE', '/v1/webhooks/nobody', 'WEBHOOK.NOT_FOUND'],
  ])('%s is not found', async (_, method, path, code) => {
    const bodies: Record<string, unknown> = {
      'SYSTEM.NOT_FOUND': { readings: [{ sensor: 'ph', value: 7 }] },
      'COMMAND.NOT_FOUND': { outcome: 'done' },
    };
    expectProblem(await server.request(method, path, bodies[code]), 404, code);
  });

  it.each([
    ['that is no URL', '/v1/systems/%zz'],
    ['with a name longer than any', `/v1/systems/${'x'.repeat(200)}`],
  ])('a path %s is not found, and the answer says who gave it', async (_, path) => {
    const answer = await server.get(path, { 'x-request-id': 'lost-1' });
    expectProblem(answer, 404, 'ROUTE.NOT_FOUND');
    expect(answer.headers.get('x-request-id')).toBe('lost-1');
    expect(answer.headers.get('x-served-by')).toBe(hostname());
    await server.until(() => server.output.includes('"requestId":"lost-1"'), 'it stands in the log');
  });

  it.each([
    ['is no HTTP', 'HELO farm\r\n\r\n', 400, 'REQUEST.MALFORMED'],
    [
      'has headers without end',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'REQUEST.HEADERS_TOO_LARGE',
    ],
  ])('what %s is refused like everything else, and logged', async (_, sent, status, code) => {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(sent);
    const [head, body] = (await text(socket)).split('\r\n\r\n') as [string, string];
    const [statusLine, ...lines] = head.split('\r\n');
    const headers = new Headers(lines.map((line) => line.split(': ') as [string, string]));

    expect(statusLine).toMatch(new RegExp(`^HTTP/1\\.1 ${status} \\w`));
    expectProblem({ status, headers, body: JSON.parse(body) as unknown }, status, code);
    expect(headers.get('x-served-by')).toBe(hostname());
    expect(Number(headers.get('content-length'))).toBe(Buffer.byteLength(body));
    const id = headers.get('x-request-id')!;
    await server.until(() => server.output.includes(`"requestId":"${id}"`), 'it is in the log');
  });

  it('an upload that its sender gives up is no error of ours', async () => {
    const socket = connect(server.port, '127.0.0.1');
    const id = 'given-up-1';
    socket.write(
      `POST /v1/analyses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nX-Request-Id: ${id}\r\n` +
        'Content-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\nhalf',
    );
    // Not before it is read.
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.resetAndDestroy();

    const entries = (): string[] => server.output.split('\n').filter((line) => line.includes(id));
    await server.until(() => entries().length > 0, 'it is in the log');
    await server.get('/v1/systems');
    expect(entries()).toEqual([expect.stringMatching(/"level":30,.*"code":"REQUEST.ABORTED"/)]);
  });

  it("a caller's request id is kept where it is harmless, and replaced where it is not", async () => {
    const kept = await server.get('/v1/fish', { 'x-request-id': 'farm-7.a:b' });
    expect(kept.headers.get('x-request-id')).toBe('farm-7.a:b');
    expectProblem(kept, 404, 'ROUTE.NOT_FOUND');
    const replaced = await server.get('/v1/fish', { 'x-request-id': '"><script>' });
    expect(replaced.headers.get('x-request-id')).toMatch(/^[\w-]{36}$/);
  });
});

describe('a reading that cannot be true', () => {
  const post = (...readings: unknown[]) => server.post(`${HERE}/readings`, { readings });

  it.each([
    [
      'from the future',
      { sensor: 'ph', value: 7, observedAt: inSeconds(3600) },
      'READING.FUTURE',
      'observedAt',
    ],
    [
      'from 1970',
      { sensor: 'ph', value: 7, observedAt: '1970-01-01T00:00:12Z' },
      'READING.TOO_OLD',
      'observedAt',
    ],
    [
      'without a time zone',
      { sensor: 'ph', value: 7, observedAt: '2026-01-01T00:00:00' },
      'READING.TIME_FORM',
      'observedAt',
    ],
    [
      'of a day that is not',
      { sensor: 'ph', value: 7, observedAt: '2026-13-45T00:00:00Z' },
      'READING.TIME_FORM',
      'observedAt',
    ],
    [
      'with a number for its time',
      { sensor: 'ph', value: 7, observedAt: 1_700_000_000 },
      'READING.TIME_FORM',
      'observedAt',
    ],
    ['of no sensor', { value: 7 }, 'READING.SENSOR_TYPE', 'sensor'],
    ['of an unknown sensor', { sensor: 'mood', value: 7 }, 'SENSOR.NOT_FOUND', 'sensor'],
    ['of the prototype', { sensor: 'constructor', value: 7 }, 'SENSOR.NOT_FOUND', 'sensor'],
    ['without a value', { sensor: 'ph' }, 'READING.VALUE_TYPE', 'value'],
    ['of NaN as text', { sensor: 'ph', value: 'NaN' }, 'READING.VALUE_TYPE', 'value'],
    ['of a number as text', { sensor: 'ph', value: '7' }, 'READING.VALUE_TYPE', 'value'],
    ['of a truth value', { sensor: 'ph', value: true }, 'READING.VALUE_TYPE', 'value'],
    ['with an unknown field', { sensor: 'ph', value: 7, unit: 'pH' }, 'READING.UNKNOWN_FIELD', 'unit'],
    ['that is null', null, 'READING.NOT_AN_OBJECT', ''],
    ['that is a list', ['ph', 7], 'READING.NOT_AN_OBJECT', ''],
  ])('%s is refused alone, and in a batch sinks no other', async (what, reading, code, field) => {
    const refused = { outcome: 'refused', error: expect.objectContaining({ code, field }) };
    await expectNothingStored(async () => {
      const alone = await post(reading);
      expectProblem(alone, 422, 'READINGS.REFUSED');
      expect(alone.body.results).toEqual([refused]);
    });

    const value = 1 + (what.length % 10) / 10;
    const good = { sensor: 'nitrite', value, observedAt: inSeconds(-10 * what.length - code.length) };
    const mixed = await post(reading, good);
    expect(mixed).toMatchObject({ status: 200, body: { stored: 1, refused: 1 } });
    expect(mixed.body.results[0]).toEqual(refused);
    const { body } = await server.get(`${HERE}/sensors/nitrite/readings?from=${good.observedAt}&limit=1`);
    expect(body.readings).toMatchObject([{ observedAt: good.observedAt, value }]);
  });

  it('says how late it may be at the most', async () => {
    const { body } = await post({ sensor: 'ph', value: 7, observedAt: inSeconds(3600) });
    const { limit } = body.results[0].error as { limit: string };
    expect(Math.abs(Date.parse(limit) - Date.now() - 60_000)).toBeLessThan(30_000);
  });

  it('too large for a number is refused', () =>
    expectNothingStored(async () => {
      const answer = await server.post(`${HERE}/readings`, '{"readings":[{"sensor":"ph","value":1e999}]}');
      expectProblem(answer, 422, 'READINGS.REFUSED');
    }));

  it('twice the same is stored once, and another value at the same instant is refused', async () => {
    const observedAt = inSeconds(-100_000);
    const reading = { sensor: 'nitrate', value: 40, observedAt };

    expect((await post(reading, reading)).body).toMatchObject({ stored: 1, duplicates: 1, refused: 0 });
    expect((await post(reading)).body).toMatchObject({ stored: 0, duplicates: 1, refused: 0 });
    const conflict = await post({ ...reading, value: 41 });
    expectProblem(conflict, 422, 'READINGS.REFUSED');
    expect(conflict.body.results[0].error.code).toBe('READING.CONFLICT');
    const { body } = await server.get(`${HERE}/sensors/nitrate/readings?from=${observedAt}`);
    expect(body.readings).toMatchObject([{ observedAt, value: 40 }]);
  });
});

describe('a key', () => {
  const PUBLIC = ['get /health/live', 'get /health/ready', 'get /health', 'get /metrics', 'get /ping'];
  /** Whoever has no key yet. */
  const CLAIM = 'post /v1/claims';
  const FOR_DEVICES = [
    'get /v1/systems/{systemId}',
    'post /v1/systems/{systemId}/readings',
    'post /v1/systems/{systemId}/senml',
    'post /api/v2/write',
    'post /write',
    'get /v1/systems/{systemId}/commands',
    'post /v1/systems/{systemId}/commands/{commandId}/acknowledgement',
    'post /v1/systems/{systemId}/analyses',
  ];
  const secrets: Record<string, string> = {};
  let routes: string[];

  beforeAll(async () => {
    const { body } = await server.get('/openapi.json');
    routes = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    for (const key of [
      { id: 'probe', role: 'device', systemId: 'greenhouse' },
      { id: 'stranger', role: 'device', systemId: 'school' },
      { id: 'grower', role: 'operator' },
      { id: 'lost', role: 'operator' },
    ]) {
      secrets[key.id] = (await server.post('/v1/keys', key)).body.secret as string;
    }
    // It was in use until it was lost.
    expect((await ask('get /v1/systems', bearer('lost'))).status).toBe(200);
    await server.request('DELETE', '/v1/keys/lost');
  });

  /** Asks a route with things that are there, or are not: what matters is whether the key lets it through. */
  function ask(route: string, authorization?: string): Promise<Answer> {
    const [method, path] = route.split(' ') as [string, string];
    const concrete = path
      .replace('{systemId}', 'greenhouse')
      .replace('{sensorId}', 'ph')
      .replace(/\{(keyId|webhookId)\}/, 'nobody')
      .replace(/\{\w+\}/g, '999')
      .replace('/api/v2/write', '/api/v2/write?bucket=greenhouse')
      .replace(/^\/write/, '/write?db=greenhouse');
    return server.send(concrete, {
      method: method.toUpperCase(),
      headers: authorization ? { authorization } : {},
    });
  }

  const bearer = (id: string) => `Bearer ${secrets[id]}`;

  it('is needed for every route but health and metrics', async () => {
    expect(routes.length).toBeGreaterThan(25);
    for (const route of routes) {
      const answer = await ask(route);
      if (PUBLIC.includes(route))
        expect([route, answer.status]).toEqual([route, route === 'get /ping' ? 204 : 200]);
      else if (route === CLAIM) expect([answer.status, answer.body.code]).toEqual([400, 'REQUEST.INVALID']);
      else expect([route, answer.status, answer.body.code]).toEqual([route, 401, 'KEY.MISSING']);
    }
  });

  it.each([
    ['is not known', () => `Bearer aq_${'x'.repeat(43)}`, 'KEY.INVALID'],
    ['was revoked', () => bearer('lost'), 'KEY.INVALID'],
    ['is the right one but for its last letter', () => `Bearer ${ADMIN_KEY.slice(0, -1)}`, 'KEY.INVALID'],
    ['is a name and a password', () => `Basic ${btoa(`admin:${ADMIN_KEY}`)}`, 'KEY.MISSING'],
    ['is empty', () => 'Bearer ', 'KEY.MISSING'],
  ])('that %s opens no route', async (_, authorization, code) => {
    for (const route of routes.filter((each) => !PUBLIC.includes(each) && each !== CLAIM)) {
      // There alone a key may be a password, as InfluxDB 1 has it.
      if (route === 'post /write' && authorization().startsWith('Basic')) continue;
      const answer = await ask(route, authorization());
      expect([route, answer.status, answer.body.code]).toEqual([route, 401, code]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
    expectProblem(await ask('get /v1/systems', authorization()), 401, code);
  });

  it("of another system's device opens no route of this one", async () => {
    for (const route of routes.filter((each) => !PUBLIC.includes(each) && each !== CLAIM)) {
      const answer = await ask(route, bearer('stranger'));
      expect([route, answer.status, answer.body.code]).toEqual([route, 403, 'KEY.FORBIDDEN']);
    }
  });

  it('of another system posts no reading here, and one at home', async () => {
    const readings = [{ sensor: 'ph', value: 7, observedAt: inSeconds(-50) }];
    const headers = { authorization: bearer('stranger') };

    await expectNothingStored(async () =>
      expectProblem(await server.post(`${HERE}/readings`, { readings }, headers), 403, 'KEY.FORBIDDEN'),
    );
    expect((await server.post('/v1/systems/school/readings', { readings }, headers)).status).toBe(200);
  });

  it('of a device opens what devices need, and nothing else', async () => {
    for (const route of routes.filter((each) => !PUBLIC.includes(each) && each !== CLAIM)) {
      const { status } = await ask(route, bearer('probe'));
      expect([route, status === 403]).toEqual([route, !FOR_DEVICES.includes(route)]);
      expect(status).not.toBe(401);
    }
  });

  it('of an operator opens everything but the keys, so nobody makes themselves an admin', async () => {
    for (const route of routes.filter((each) => !PUBLIC.includes(each) && each !== CLAIM)) {
      const { status } = await ask(route, bearer('grower'));
      expect([route, status === 403]).toEqual([route, route.includes('/v1/keys')]);
    }
    for (const id of ['grower', 'probe']) {
      const made = await server.post(
        '/v1/keys',
        { id: 'mine', role: 'admin' },
        { authorization: bearer(id) },
      );
      expectProblem(made, 403, 'KEY.FORBIDDEN');
    }
    expect((await server.get('/v1/keys')).body.keys).not.toContainEqual(
      expect.objectContaining({ id: 'mine' }),
    );
  });

  it('is bound to one system where it is a device’s, and to none where it is not', () =>
    expectNothingStored(async () => {
      expectProblem(await server.post('/v1/keys', { id: 'new', role: 'device' }), 400, 'KEY.SYSTEM');
      const bound = { id: 'new', role: 'admin', systemId: 'greenhouse' };
      expectProblem(await server.post('/v1/keys', bound), 400, 'KEY.SYSTEM');
    }));

  it('stands neither in the log nor in any list', async () => {
    const webhook = await server.post('/v1/webhooks', { id: 'phone', url: 'https://hooks.example.com/x' });
    await server.get(`/v1/systems?key=${secrets.grower}`);
    const lists = JSON.stringify(await stored());

    for (const secret of [ADMIN_KEY, webhook.body.secret as string, ...Object.values(secrets)]) {
      expect(secret.length).toBeGreaterThan(16);
      expect(server.output.includes(secret)).toBe(false);
      expect(lists.includes(secret)).toBe(false);
    }
    await server.request('DELETE', '/v1/webhooks/phone');
  });
});

describe('a photo', () => {
  const send = (body: Buffer | string, type = 'image/jpeg', path = `${HERE}/analyses`) =>
    server.post(path, body, { 'content-type': type });

  /** At its peak: no upload may make the service grow to the size of what the upload pretends to be. */
  function expectModestMemory(): void {
    const kibibytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]);
    expect(kibibytes).toBeLessThan(600 * 1024);
  }

  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64"/></svg>';
  const truncated = async () => {
    const whole = await jpegOf(640, 480);
    return whole.subarray(0, whole.length / 2);
  };

  it.each<[string, () => Promise<Buffer> | Buffer, number, string]>([
    ['text that calls itself a JPEG', () => Buffer.from('I am a photo'), 422, 'IMAGE.UNREADABLE'],
    ['half a JPEG', truncated, 422, 'IMAGE.UNREADABLE'],
    ['a GIF', () => plants(64, 64).gif().toBuffer(), 422, 'IMAGE.UNREADABLE'],
    ['an SVG', () => Buffer.from(svg), 422, 'IMAGE.UNREADABLE'],
    [
      'a PDF',
      () => Buffer.from('%PDF-1.7\n1 0 obj <</Type/Catalog>> endobj\n%%EOF'),
      422,
      'IMAGE.UNREADABLE',
    ],
    ['a TIFF', () => plants(64, 64).tiff().toBuffer(), 422, 'IMAGE.UNREADABLE'],
    ['a picture of 4 × 4', () => jpegOf(4, 4), 422, 'IMAGE.TOO_SMALL'],
    ['a decompression bomb of 900 megapixels', () => greyPng(30_000, 30_000), 413, 'IMAGE.TOO_LARGE'],
    ['a bomb beyond what any decoder takes', () => greyPng(100_000, 20_000), 413, 'IMAGE.TOO_LARGE'],
    [
      'a real photo of 100 megapixels',
      () =>
        sharp({ create: { width: 10_000, height: 10_000, channels: 3, background: 'green' } })
          .jpeg()
          .toBuffer(),
      413,
      'IMAGE.TOO_LARGE',
    ],
  ])('that is %s is refused, and nothing is stored', async (_, image, status, code) => {
    const upload = await image();
    expect(upload.length).toBeLessThan(4 * MEBIBYTE);
    await expectNothingStored(async () => expectProblem(await send(upload), status, code));
    expectModestMemory();
  });

  it('that is within the limit and cannot be decoded row by row is refused, or taken without much memory', async () => {
    const background = { r: 9, g: 99, b: 9, alpha: 0.5 };
    const bomb = await sharp({ create: { width: 7_999, height: 8_000, channels: 4, background } })
      .toColourspace('rgb16')
      .png({ progressive: true })
      .toBuffer();

    const answer = await send(bomb, 'image/png', '/v1/analyses');
    if (answer.status !== 201) expectProblem(answer, 413, 'IMAGE.TOO_LARGE');
    expectModestMemory();
  });

  it.each(['2099-01-01T00:00:00Z', '1970-01-01T00:00:12Z', '2026-W01'])(
    'taken at %s is refused whatever it shows, and nothing is stored',
    async (observedAt) => {
      const leaf = await jpegOf(64, 64);
      const darkness = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'black' } })
        .jpeg()
        .toBuffer();
      for (const photo of [leaf, darkness]) {
        await expectNothingStored(async () => {
          const answer = await send(photo, 'image/jpeg', `${HERE}/analyses?observedAt=${observedAt}`);
          expect([400, 422]).toContain(answer.status);
          expectProblem(answer, answer.status, answer.body.code as string);
        });
      }
    },
  );

  it('that is empty is refused', () =>
    expectNothingStored(async () => {
      expectProblem(await send(Buffer.alloc(0)), 422, 'IMAGE.UNREADABLE');
    }));

  it('that is larger than 32 mebibytes is refused unread', () =>
    expectNothingStored(async () => {
      expectProblem(
        await announce(`${HERE}/analyses`, 'image/jpeg', 32 * MEBIBYTE + 1),
        413,
        'BODY.TOO_LARGE',
      );
    }));

  it('for a system that is not there is refused', async () => {
    const answer = await send(await jpegOf(64, 64), 'image/jpeg', '/v1/systems/nowhere/analyses');
    expectProblem(answer, 404, 'SYSTEM.NOT_FOUND');
  });

  it.each<[string, string, () => Sharp]>([
    ['a JPEG in shades of grey', 'image/jpeg', () => plants(64, 48).greyscale().jpeg()],
    ['a JPEG for the printer, in CMYK', 'image/jpeg', () => plants(64, 48).toColourspace('cmyk').jpeg()],
    ['a progressive JPEG', 'image/jpeg', () => plants(64, 48).jpeg({ progressive: true })],
    ['a PNG of 16 bits', 'image/png', () => plants(64, 48).toColourspace('rgb16').png()],
    ['a PNG that one can see through', 'image/png', () => plants(64, 48).ensureAlpha(0.5).png()],
    ['a PNG of a palette', 'image/png', () => plants(64, 48).png({ palette: true })],
    ['a WebP', 'image/webp', () => plants(64, 48).webp()],
  ])('that is %s is taken', async (_, type, image) => {
    const answer = await send(await image().toBuffer(), type, '/v1/analyses');
    expect(answer.status).toBe(201);
    expect(answer.body.photo).toEqual({ format: type.slice('image/'.length), width: 64, height: 48 });
  });

  it('that was taken upright by a camera held sideways is looked at upright', async () => {
    const sideways = await plants(64, 48).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { body } = await send(sideways, 'image/jpeg', '/v1/analyses');
    const overlay = await fetch(server.url + body.overlayUrl, {
      headers: { authorization: `Bearer ${ADMIN_KEY}` },
    });
    const { width, height, orientation } = await sharp(Buffer.from(await overlay.arrayBuffer())).metadata();

    expect([width, height, orientation]).toEqual([48, 64, undefined]);
  });
});
