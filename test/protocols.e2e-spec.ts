import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { Postgres } from './helpers/postgres.ts';
import { expectProblem } from './helpers/problem.ts';
import { ADMIN_KEY, type Answer, GREENHOUSE, Server } from './helpers/server.ts';

const MEBIBYTE = 1024 * 1024;
const JSON_READINGS = '/v1/systems/greenhouse/readings';
const SENML = '/v1/systems/greenhouse/senml';
const LINES = '/api/v2/write?bucket=greenhouse&org=farm';
const SENML_TYPE = { 'content-type': 'application/senml+json' };

let server: Server;
let device: string;
/** Of single tests; a test that fails leaves them to be stopped. */
const others: Server[] = [];

async function startAnother(env: Record<string, string> = {}): Promise<Server> {
  const started = await Server.start(env);
  others.push(started);
  return started;
}

beforeAll(async () => {
  server = await Server.start();
  await server.post('/v1/systems', GREENHOUSE);
  await server.post('/v1/systems', { ...GREENHOUSE, id: 'school' });
  device = await newDevice(server, 'esp32');
});

afterAll(() => Promise.all([server, ...others].map((each) => each.stop())));

async function newDevice(of: Server, id: string, systemId = 'greenhouse'): Promise<string> {
  return (await of.post('/v1/keys', { id, role: 'device', systemId })).body.secret as string;
}

/** As `curl --data-binary` and most firmware send: whatever headers are given, and no other. */
function postLines(body: string | Buffer, { path = LINES, headers = {}, to = server } = {}): Promise<Answer> {
  return to.send(path, {
    method: 'POST',
    headers: { authorization: `Token ${device}`, ...headers },
    // A string would be sent with a content type.
    body: new Uint8Array(Buffer.from(body)),
  });
}

let newest = Date.now() - 24 * 3_600_000;
/** A time that no other test has used, in milliseconds. */
const freshTime = (): number => (newest += 10_000);

async function stored(sensor: string, at: number, of = server): Promise<(number | null)[]> {
  const [from, to] = [at, at + 5_000].map((time) => new Date(time).toISOString());
  const path = `/v1/systems/greenhouse/sensors/${sensor}/readings?from=${from}&to=${to}&limit=10000`;
  return ((await of.get(path)).body.readings as { raw: number | null }[]).map(({ raw }) => raw);
}

describe('line protocol', () => {
  it.each([
    ['ns', (at: number) => `${at}123456`],
    ['us', (at: number) => `${at}123`],
    ['ms', (at: number) => `${at}`],
    ['s', (at: number) => `${Math.floor(at / 1000)}`],
  ])('is stored with its times in %s', async (precision, timestamp) => {
    const at = Math.floor(freshTime() / 1000) * 1000;
    const answer = await postLines(`water-temperature value=26.4 ${timestamp(at)}\n`, {
      path: `${LINES}&precision=${precision}`,
    });
    expect([answer.status, answer.body]).toEqual([204, '']);
    expect(await stored('water-temperature', at)).toEqual([26.4]);
  });

  it('is taken whatever the body calls itself, and by both kinds of key', async () => {
    for (const type of [
      'text/plain; charset=utf-8',
      'application/x-www-form-urlencoded',
      'application/json',
      '',
    ]) {
      const at = freshTime();
      const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...(type && { 'content-type': type }) };
      const answer = await postLines(`water water_temperature=26.4 ${at}000000`, { headers });
      expect([type, answer.status, await stored('water-temperature', at)]).toEqual([type, 204, [26.4]]);
    }
  });

  it('stores every good line, and tells the numbers of the others', async () => {
    const at = freshTime();
    const answer = await postLines(
      [
        `ph value=6.8 ${at}000000`,
        '# from here on it goes wrong',
        `ph value=`,
        `nothing value=1 ${at}000000`,
        `ph value=7 ${at + 90_000_000}000000`,
        'ph,',
        `ph value=6.9 ${at + 1}000000`,
      ].join('\n'),
    );
    expectProblem(answer, 400, 'LINES.REFUSED');
    expect(answer.body).toMatchObject({ line: 3, stored: 2, duplicates: 0, refused: 4 });
    expect(answer.body.lines.map((each: { line: number; code: string }) => [each.line, each.code])).toEqual([
      [3, 'READING.VALUE_TYPE'],
      [4, 'SENSOR.NOT_FOUND'],
      [5, 'READING.FUTURE'],
      [6, 'LINE.MALFORMED'],
    ]);
    expect(answer.body.message).toContain('line 3');
    expect(await stored('ph', at)).toEqual([6.8, 6.9]);
  });

  it('sent again is as good as new', async () => {
    const at = freshTime();
    const lines = `ph value=6.8 ${at}000000\nwater-temperature value=26 ${at}000000`;
    expect((await postLines(lines)).status).toBe(204);
    expect((await postLines(lines)).status).toBe(204);
    expect(await stored('ph', at)).toEqual([6.8]);
  });

  it('keeps a failed probe as one', async () => {
    const at = freshTime();
    expect((await postLines(`ph value=nan ${at}000000`)).status).toBe(204);
    expect(await stored('ph', at)).toEqual([null]);
  });

  it('comes from Telegraf in compressed batches of a thousand', async () => {
    const at = freshTime();
    const headers = {
      'content-encoding': 'gzip',
      'content-type': 'text/plain; charset=utf-8',
      'user-agent': 'Telegraf/1.38.0 Go/1.25.6',
    };
    for (let batch = 0; batch < 3; batch += 1) {
      const points = Array.from({ length: 1000 }, (_, index) => {
        const time = `${at + batch * 1000 + index}000000`;
        return `modbus,host=pi,name=tank\\ 1,slave_id=1,type=holding_register electrical_conductivity=${1400 + index}u,ph=6.${index} ${time}\n`;
      });
      expect((await postLines(gzipSync(points.join('')), { headers })).status).toBe(204);
    }
    expect(await stored('electrical-conductivity', at)).toHaveLength(3000);
  });

  it('beyond ten thousand readings is refused whole with 413, which tells Telegraf to halve its batch', async () => {
    const at = freshTime();
    const lines = Array.from({ length: 10_001 }, (_, index) => `ph value=7 ${at + index}000000`).join('\n');
    expectProblem(await postLines(lines), 413, 'BODY.TOO_LARGE');
    expect(await stored('ph', at)).toEqual([]);
  });

  it.each([
    ['without a bucket', '/api/v2/write', 403],
    ['with two buckets', '/api/v2/write?bucket=greenhouse&bucket=school', 403],
    ['for another system', '/api/v2/write?bucket=school', 403],
    ['as of InfluxDB 1 for another system', '/write?db=school', 403],
    [
      'for another system, by a parameter of another name',
      '/write?db=school&bucket=greenhouse&systemId=greenhouse',
      403,
    ],
    ['in a precision that there is not', `${LINES}&precision=weeks`, 400],
  ])('by a device %s is refused', async (_, path, status) => {
    expect((await postLines('ph value=7', { path })).status).toBe(status);
  });

  it('by an operator needs a system that there is', async () => {
    const headers = { authorization: `Token ${ADMIN_KEY}` };
    const post = (path: string) => postLines('ph value=7', { path, headers });
    expectProblem(await post('/api/v2/write?bucket=nowhere'), 404, 'SYSTEM.NOT_FOUND');
    expectProblem(await post('/api/v2/write'), 400, 'REQUEST.INVALID');
    expectProblem(await post('/write?db='), 400, 'REQUEST.INVALID');
  });

  it('with no key, a wrong one, or none of its own is refused', async () => {
    const post = (headers: Record<string, string>) => postLines('ph value=7', { headers });
    expectProblem(await post({ authorization: '' }), 401, 'KEY.MISSING');
    expectProblem(await post({ authorization: 'Token nobody' }), 401, 'KEY.INVALID');
    const basic = `Basic ${Buffer.from(`esp32:${device}`).toString('base64')}`;
    expectProblem(await post({ authorization: basic }), 401, 'KEY.MISSING');
  });

  it('may bring its key as InfluxDB 1 has it, there alone', async () => {
    const basic = `Basic ${Buffer.from(`esp32:${device}`).toString('base64')}`;
    const post = (query: string, authorization: string) =>
      postLines(`ph value=7 ${freshTime() * 1000}`, {
        path: `/write?db=greenhouse&precision=u${query}`,
        headers: { authorization },
      });
    expect((await post('', basic)).status).toBe(204);
    expect((await post(`&u=esp32&p=${device}`, '')).status).toBe(204);
    expect((await post(`&rp=autogen&consistency=any`, `Token ${device}`)).status).toBe(204);
    expectProblem(await post('&u=esp32&p=nobody', ''), 401, 'KEY.INVALID');
    expectProblem(await post('', 'Basic %%%'), 401, 'KEY.MISSING');
    const json = await server.send(`${JSON_READINGS}?p=${device}`, { method: 'POST', body: '{}' });
    expectProblem(json, 401, 'KEY.MISSING');
    expect(server.output).not.toContain(device);
  });

  it('without a line says so', async () => {
    expectProblem(await postLines(''), 400, 'REQUEST.INVALID');
    expect((await postLines('# nothing to tell\n')).status).toBe(204);
  });

  it('finds somebody here', async () => {
    const ping = await fetch(`${server.url}/ping`);
    expect([ping.status, ping.headers.get('x-influxdb-version')]).toEqual([204, 'aquaponia']);
    expect((await fetch(`${server.url}/ping?verbose=true`, { method: 'HEAD' })).status).toBe(204);
    expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ status: 'pass' });
  });
});

describe('SenML', () => {
  it('is stored as it resolves', async () => {
    const at = freshTime();
    const pack = [
      { bn: 'urn:dev:mac:0024befffe804ff1:', bt: at / 1000, n: 'water-temperature', u: 'K', v: 299.55 },
      { n: 'electrical-conductivity', u: 'S/m', v: 0.145, t: 1 },
      { n: 'ph', u: 'pH', v: 6.8 },
    ];
    const answer = await server.post(SENML, pack, SENML_TYPE);
    expect([answer.status, answer.body.stored]).toEqual([200, 3]);
    expect(await stored('water-temperature', at)).toEqual([26.4]);
    expect(await stored('electrical-conductivity', at + 1000)).toEqual([1450]);
    expect((await server.post(SENML, pack)).body).toMatchObject({ stored: 0, duplicates: 3 });
  });

  it('has a word for each record that cannot be taken, and stores the others', async () => {
    const bt = freshTime() / 1000;
    const { status, body } = await server.post(
      SENML,
      [
        { bt, n: 'ph', v: 6.8 },
        { n: 'ph', u: 'Cel', v: 6.8 },
        { n: 'nothing', v: 1 },
        7,
        { n: 'ph', vs: 'acid' },
        { n: 'ph', v: 6.9, t: 1 },
      ],
      SENML_TYPE,
    );
    expect([status, body.stored, body.refused]).toEqual([200, 2, 4]);
    expect(body.results.map(({ error }: { error?: { code: string } }) => error?.code)).toEqual([
      undefined,
      'READING.UNIT',
      'SENSOR.NOT_FOUND',
      'READING.NOT_AN_OBJECT',
      'READING.VALUE_TYPE',
      undefined,
    ]);
  });

  it.each([
    ['of which nothing can be taken', [{ n: 'nothing', v: 1 }], 422, 'READINGS.REFUSED'],
    ['of no record', [], 400, 'REQUEST.INVALID'],
    ['that is an object', { n: 'ph', v: 7 }, 400, 'REQUEST.INVALID'],
    ['that is a word', '"ph"', 400, 'REQUEST.INVALID'],
    ['of too many records', Array(10_001).fill({ n: 'ph', v: 7 }), 400, 'REQUEST.INVALID'],
    ['that is cut off', '[{"n":"ph","v":7}', 400, 'BODY.NOT_JSON'],
    ['that would change what objects are', '[{"n":"ph","v":7,"__proto__":{}}]', 400, 'BODY.NOT_JSON'],
  ])('%s is refused', async (_, pack, status, code) => {
    expectProblem(await server.post(SENML, pack, SENML_TYPE), status, code);
  });

  it('keeps to its own system', async () => {
    const headers = { authorization: `Bearer ${device}`, ...SENML_TYPE };
    expectProblem(
      await server.post('/v1/systems/school/senml', [{ n: 'ph', v: 7 }], headers),
      403,
      'KEY.FORBIDDEN',
    );
  });
});

/** The three routes, each with a body of two readings at a time. */
const ROUTES: [
  name: string,
  post: (at: number, encode: (body: string) => Buffer, headers?: Record<string, string>) => Promise<Answer>,
][] = [
  [
    'JSON',
    (at, encode, headers) => {
      const observedAt = new Date(at).toISOString();
      const readings = ['ph', 'water-temperature'].map((sensor) => ({ sensor, value: 7, observedAt }));
      return server.post(JSON_READINGS, encode(JSON.stringify({ readings })), headers);
    },
  ],
  [
    'SenML',
    (at, encode, headers) => {
      const pack = [
        { bt: at / 1000, n: 'ph', v: 7 },
        { n: 'water-temperature', v: 7 },
      ];
      return server.post(SENML, encode(JSON.stringify(pack)), { ...SENML_TYPE, ...headers });
    },
  ],
  [
    'line protocol',
    (at, encode, headers) =>
      postLines(encode(`ph value=7 ${at}000000\nwater-temperature value=7 ${at}000000`), { headers }),
  ],
];

describe.each(ROUTES)('a body of %s', (_, post) => {
  const bytes = (body: string): Buffer => Buffer.from(body);

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['identity', bytes],
  ])('may be compressed with %s', async (coding, compress) => {
    const at = freshTime();
    const answer = await post(at, (body) => (compress as (body: Buffer) => Buffer)(bytes(body)), {
      'content-encoding': coding,
    });
    expect(answer.status).toBeLessThan(300);
    expect(await stored('ph', at)).toEqual([7]);
  });

  it('compressed in a way that is not known is refused, and told which are', async () => {
    const answer = await post(freshTime(), bytes, { 'content-encoding': 'br' });
    expectProblem(answer, 415, 'BODY.ENCODING');
    expect(answer.headers.get('accept-encoding')).toBe('gzip, deflate');
    expectProblem(
      await post(freshTime(), bytes, { 'content-encoding': 'constructor' }),
      415,
      'BODY.ENCODING',
    );
  });

  it.each([
    ['that is not compressed though it says so', bytes],
    ['whose compression is cut off', (body: string) => gzipSync(bytes(body)).subarray(0, -12)],
    ['whose compression is damaged', (body: string) => gzipSync(bytes(body)).fill(255, 12, 30)],
  ])('%s is refused', async (_, encode) => {
    const at = freshTime();
    expectProblem(await post(at, encode, { 'content-encoding': 'gzip' }), 400, 'BODY.UNREADABLE');
    expect(await stored('ph', at)).toEqual([]);
  });

  it('that is not UTF-8 is refused', async () => {
    const at = freshTime();
    const broken = (body: string): Buffer => Buffer.concat([bytes(body), Buffer.from([0x20, 0xc3, 0x28])]);
    expectProblem(await post(at, broken), 400, 'BODY.NOT_UTF8');
    const compressed = await post(at, (body) => gzipSync(broken(body)), { 'content-encoding': 'gzip' });
    expectProblem(compressed, 400, 'BODY.NOT_UTF8');
    expect(await stored('ph', at)).toEqual([]);
  });

  it('of a megabyte is taken, one of more than four is not', async () => {
    const padded = (mebibytes: number) => (body: string) => bytes(' '.repeat(mebibytes * MEBIBYTE) + body);
    const at = freshTime();
    expect((await post(at, padded(1))).status).toBeLessThan(300);
    expect(await stored('ph', at)).toEqual([7]);
    const pressed = await post(at, (body) => gzipSync(padded(5)(body)), { 'content-encoding': 'gzip' });
    expectProblem(pressed, 413, 'BODY.TOO_LARGE');
  });

  it('that would be gigabytes once decompressed is given up early', async () => {
    const peak = () =>
      Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
    const spent = () => {
      const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    };
    // Ten mebibytes of nothing, three hundred times over.
    const bomb = Buffer.concat(Array<Buffer>(300).fill(gzipSync(Buffer.alloc(10 * MEBIBYTE))));
    expect(bomb.length).toBeLessThan(4 * MEBIBYTE);
    const [memory, time] = [peak(), spent()];
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => post(freshTime(), () => bomb, { 'content-encoding': 'gzip' })),
    );
    for (const answer of answers) expectProblem(answer, 413, 'BODY.TOO_LARGE');
    expect(peak() - memory).toBeLessThan(200);
    // Eight times three gigabytes would take a minute of computing.
    expect(spent() - time).toBeLessThan(10);
  });

  it('with a megabyte where a name is due is refused in few words', async () => {
    const long = 'x'.repeat(MEBIBYTE);
    const answer = await post(freshTime(), (body) =>
      bytes(body.replace('"ph"', `"${long}"`).replace(/^ph/, long)),
    );
    expect(JSON.stringify(answer.body)).toContain('SENSOR.NOT_FOUND');
    expect(JSON.stringify(answer.body).length).toBeLessThan(2_000);
  });
});

describe('an idempotency key', () => {
  const READINGS = {
    readings: [
      { sensor: 'ph', value: 6.8 },
      { sensor: 'water-temperature', value: 26.4 },
    ],
  };
  const post = (key: string, body: unknown = READINGS, of = server) =>
    of.post(JSON_READINGS, body, { 'idempotency-key': key });

  it('makes readings that name no time the same again', async () => {
    expect((await post('first')).body).toMatchObject({ stored: 2, duplicates: 0 });
    expect((await post('first')).body).toMatchObject({ stored: 0, duplicates: 2 });
    expect((await post('another')).body).toMatchObject({ stored: 2, duplicates: 0 });
  });

  it('holds for every protocol', async () => {
    const headers = { 'idempotency-key': 'sixty' };
    const pack = [{ n: 'ph', v: 6.8, t: -2 }];
    expect((await server.post(SENML, pack, { ...headers })).body.stored).toBe(1);
    expect((await server.post(SENML, pack, { ...headers })).body.duplicates).toBe(1);
    const before = Date.now() - 1;
    expect((await postLines('ph value=6.8', { headers })).status).toBe(204);
    expect((await postLines('ph value=6.8', { headers })).status).toBe(204);
    expect(await stored('ph', before)).toHaveLength(1);
    // A timestamp means another time in another precision.
    const path = `${LINES}&precision=s`;
    expectProblem(await postLines('ph value=6.8', { headers, path }), 422, 'IDEMPOTENCY.KEY_REUSED');
  });

  it('with another body is refused, and of another sender is another key', async () => {
    expect((await post('counter-1')).status).toBe(200);
    expectProblem(
      await post('counter-1', { readings: [{ sensor: 'ph', value: 6.9 }] }),
      422,
      'IDEMPOTENCY.KEY_REUSED',
    );
    const headers = { 'idempotency-key': 'counter-1', authorization: `Bearer ${device}` };
    expect(
      (await server.post(JSON_READINGS, { readings: [{ sensor: 'ph', value: 6.7 }] }, headers)).body.stored,
    ).toBe(1);
  });

  it.each([
    ['long', 'x'.repeat(129)],
    ['of two words', 'two words'],
    ['empty', ''],
  ])('that is %s is refused', async (_, key) => {
    expectProblem(await post(key), 400, 'REQUEST.INVALID');
  });

  it('is safe where the same is sent many times at once', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('at-once')));
    const sum = (what: string): number =>
      answers.reduce((total, { body }) => total + (body[what] as number), 0);
    expect([sum('stored'), sum('duplicates'), sum('refused')]).toEqual([2, 38, 0]);
  });

  it('outlives the connection and the process', async () => {
    const own = await startAnother();
    await own.post('/v1/systems', GREENHOUSE);
    const body = JSON.stringify(READINGS);
    const socket = connect(own.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST ${JSON_READINGS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nIdempotency-Key: outage\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await once(socket, 'data');
    // The answer is on its way, and nobody reads it.
    socket.destroy();
    await own.signal('SIGKILL');
    await own.launch();
    expect((await post('outage', READINGS, own)).body).toMatchObject({ stored: 0, duplicates: 2 });
  });
});

describe('an idempotency key of yesterday', () => {
  it('is a new one, and is forgotten at the next start', async () => {
    const own = await startAnother();
    await own.post('/v1/systems', GREENHOUSE);
    const post = (key: string, value: number): Promise<Answer> =>
      own.post(JSON_READINGS, { readings: [{ sensor: 'ph', value }] }, { 'idempotency-key': key });
    expect((await post('again', 6.8)).body.stored).toBe(1);
    expect((await post('never-again', 6.8)).body.stored).toBe(1);
    const file = new DatabaseSync(join(own.dataDir, 'aquaponia.db'));
    file.exec('update ingest_keys set arrived_at = arrived_at - 86400001');
    expect((await post('again', 6.9)).body.stored).toBe(1);
    await own.signal('SIGTERM');
    await own.launch();
    const keys = (): unknown[] => file.prepare('select key from ingest_keys').all();
    await own.until(() => keys().length === 1, 'what is old is forgotten');
    expect(keys()).toMatchObject([{ key: 'again' }]);
    expectProblem(await post('again', 6.8), 422, 'IDEMPOTENCY.KEY_REUSED');
    file.close();
  });
});

describe('two replicas on one PostgreSQL', () => {
  let postgres: Postgres;
  let replicas: Server[];

  beforeAll(async () => {
    postgres = await Postgres.start();
    const env = { DATABASE_URL: await postgres.database() };
    replicas = [await startAnother(env), await startAnother(env)];
    await replicas[0]!.post('/v1/systems', GREENHOUSE);
  });

  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.signal('SIGTERM')));
    await postgres.stop();
  });

  it('store what is sent to both at once under one idempotency key once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const body = { readings: [{ sensor: 'ph', value: 6.8 }] };
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          replicas[index % 2]!.post(JSON_READINGS, body, { 'idempotency-key': `round-${round}` }),
        ),
      );
      const outcomes = answers.map((answer) => answer.body.results?.[0].outcome as string).sort();
      expect(outcomes).toEqual([...Array<string>(7).fill('duplicate'), 'stored']);
      const other = { readings: [{ sensor: 'ph', value: 6.9 }] };
      const answer = await replicas[round % 2]!.post(JSON_READINGS, other, {
        'idempotency-key': `round-${round}`,
      });
      expectProblem(answer, 422, 'IDEMPOTENCY.KEY_REUSED');
    }
  });

  it('take line protocol and SenML as one does', async () => {
    const at = freshTime();
    const headers = { authorization: `Token ${ADMIN_KEY}` };
    const line = `ph value=6.8 ${at}000000`;
    for (const to of replicas) expect((await postLines(line, { to, headers })).status).toBe(204);
    const pack = [{ bt: at / 1000, n: 'ph', v: 6.8 }];
    expect((await replicas[1]!.post(SENML, pack, SENML_TYPE)).body.duplicates).toBe(1);
    expect(await stored('ph', at, replicas[0])).toEqual([6.8]);
  });
});

describe('a device that floods', () => {
  let strict: Server;
  let [flood, quiet] = ['', ''];
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const readings = (count: number, at = freshTime()) => ({
    readings: Array.from({ length: count }, (_, index) => ({
      sensor: 'ph',
      value: 7,
      observedAt: new Date(at + index).toISOString(),
    })),
  });

  beforeAll(async () => {
    strict = await startAnother({ AQUAPONIA_DEVICE_READINGS_PER_SECOND: '1' });
    await strict.post('/v1/systems', GREENHOUSE);
    [flood, quiet] = [await newDevice(strict, 'flood'), await newDevice(strict, 'quiet')];
    expect((await strict.post(JSON_READINGS, readings(60), bearer(flood))).status).toBe(200);
  });

  it.each<[string, () => Promise<Answer>]>([
    ['JSON', () => strict.post(JSON_READINGS, readings(30), bearer(flood))],
    ['SenML', () => strict.post(SENML, Array(30).fill({ n: 'ph', v: 7 }), bearer(flood))],
    ['line protocol', () => postLines('ph value=7\n'.repeat(30), { to: strict, headers: bearer(flood) })],
  ])('is told to wait, by %s', async (_, post) => {
    const answer = await post();
    expectProblem(answer, 429, 'DEVICE.TOO_FAST');
    const wait = Number(answer.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(30);
  });

  it('of an age that throws away what is answered with 429 is answered with 503', async () => {
    const answer = await postLines('ph value=7\n'.repeat(30), {
      to: strict,
      path: '/write?db=greenhouse',
      headers: bearer(flood),
    });
    expectProblem(answer, 503, 'DEVICE.TOO_FAST');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('leaves nothing of what was refused, and hinders nobody else', async () => {
    const at = freshTime();
    expect((await strict.post(JSON_READINGS, readings(30, at), bearer(flood))).status).toBe(429);
    expect(await stored('ph', at, strict)).toEqual([]);
    expect((await strict.post(JSON_READINGS, readings(30, at), bearer(quiet))).body.stored).toBe(30);
    expect((await strict.post(JSON_READINGS, readings(1000))).body.stored).toBe(1000);
  });

  it('is heard again when it has waited', async () => {
    const answer = await strict.until(async () => {
      const tried = await strict.post(JSON_READINGS, readings(1), bearer(flood));
      return tried.status === 200 ? tried : undefined;
    }, 'it may send one');
    expect(answer.body.stored).toBe(1);
  });
});
