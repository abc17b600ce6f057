import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';

import { FLAKY, FlakyServer } from './helpers/flaky.ts';
import { expectProblem } from './helpers/problem.ts';
import { isRunning, workersOf } from './helpers/processes.ts';
import { GREENHOUSE, Server } from './helpers/server.ts';

const DEADLINE_MS = 1_500;
/** What a busy machine may add; without a deadline these tests would wait for a minute. */
const SLACK_MS = 6_000;

const photo = (side = 16): Promise<Buffer> =>
  sharp({ create: { width: side, height: side, channels: 3, background: 'green' } })
    .jpeg()
    .toBuffer();

describe('a script that misbehaves', () => {
  let flaky: FlakyServer;

  beforeAll(async () => {
    flaky = await FlakyServer.start({
      AQUAPONIA_FUZZY_CONTROLLER_WORKERS: '1',
      AQUAPONIA_FUZZY_CONTROLLER_QUEUE: '4',
      AQUAPONIA_FUZZY_CONTROLLER_DEADLINE_MS: String(DEADLINE_MS),
    });
  });
  afterAll(() => flaky.stop());
  afterEach(() => flaky.server.until(async () => (await flaky.evaluate()).status === 200, 'it serves again'));

  it.each([
    ['is killed in mid-request', FLAKY.dies, 502, 'SCRIPT.FAILED', 'crashed'],
    ['leaves without a word', FLAKY.leaves, 502, 'SCRIPT.FAILED', 'crashed'],
    ['hangs', FLAKY.hangs, 504, 'SCRIPT.DEADLINE', 'timeout'],
    ['prints garbage', FLAKY.printsGarbage, 502, 'SCRIPT.GARBAGE', 'garbage'],
    ['prints half a line and hangs', FLAKY.printsHalfAndHangs, 504, 'SCRIPT.DEADLINE', 'timeout'],
    ['prints half a line and leaves', FLAKY.printsHalfAndLeaves, 502, 'SCRIPT.FAILED', 'crashed'],
    ['prints a list', FLAKY.printsAList, 502, 'SCRIPT.GARBAGE', 'garbage'],
    ['prints an endless line', FLAKY.printsAnEndlessLine, 502, 'SCRIPT.GARBAGE', 'garbage'],
    ['replies with NaN', FLAKY.repliesNan, 502, 'SCRIPT.GARBAGE', 'garbage'],
    ['replies to a request that nobody made', FLAKY.repliesToAnother, 502, 'SCRIPT.GARBAGE', 'garbage'],
    [
      'announces an impossible number of bytes',
      FLAKY.announcesImpossibleBytes,
      502,
      'SCRIPT.GARBAGE',
      'garbage',
    ],
    [
      'sends half the bytes it announced and leaves',
      FLAKY.sendsHalfTheBytes,
      502,
      'SCRIPT.FAILED',
      'crashed',
    ],
    ['refuses in another shape than agreed', FLAKY.refusesInAnotherShape, 502, 'SCRIPT.GARBAGE', 'garbage'],
  ])(
    'that %s is answered for within the deadline, replaced, and hinders no other',
    async (_, misbehaviour, status, code, reason) => {
      const endedBefore = await flaky.ended(reason);
      const started = performance.now();
      const [faulty, classified, looked] = await Promise.all([
        flaky.evaluate(misbehaviour),
        flaky.classify(),
        flaky.server.post('/v1/analyses', await photo(), { 'content-type': 'image/jpeg' }),
      ]);

      expectProblem(faulty, status, code);
      expect(performance.now() - started).toBeLessThan(DEADLINE_MS + SLACK_MS);
      expect([classified.status, looked.status]).toEqual([200, 201]);
      expect((await flaky.evaluate()).status).toBe(200);
      expect(await flaky.ended(reason)).toBe(endedBefore + 1);
      expect((await flaky.pool()).workers).toEqual({ ready: 1, busy: 0, wanted: 1 });
    },
  );

  it.each([
    ['without a field', FLAKY.omitsAField],
    ['with a field nobody knows', FLAKY.addsAField],
    ['with a field of a wrong type', FLAKY.mistakesAType],
    ['with nothing', FLAKY.repliesNothing],
    ['with infinity', FLAKY.repliesInfinity],
  ])('that replies %s is answered for with 502, and the reply shown to nobody', async (_, misbehaviour) => {
    const answer = await flaky.evaluate(misbehaviour);

    expectProblem(answer, 502, 'SCRIPT.REPLY_INVALID');
    expect(answer.body).not.toHaveProperty('controller');
    expect((await flaky.evaluate()).status).toBe(200);
  });

  it.each([
    ['no pixels at all', FLAKY.omitsTheBytes, 'SCRIPT.REPLY_INVALID'],
    ['half the pixels it announced', FLAKY.sendsHalfTheBytes, 'SCRIPT.FAILED'],
  ])('that hands over %s is answered for with 502, and nothing is stored', async (_, misbehaviour, code) => {
    await flaky.server.post('/v1/systems', GREENHOUSE);
    const jpeg = { 'content-type': 'image/jpeg' };

    const answer = await flaky.server.post(
      '/v1/systems/greenhouse/analyses',
      await photo(misbehaviour),
      jpeg,
    );
    expectProblem(answer, 502, code);
    expect((await flaky.server.get('/v1/systems/greenhouse/analyses')).body).toEqual({ analyses: [] });
    expect((await flaky.server.post('/v1/analyses', await photo(), jpeg)).status).toBe(201);
  });

  it('that replies twice is replaced, and its second reply goes to nobody', async () => {
    const endedBefore = await flaky.ended('garbage');

    expect((await flaky.evaluate(FLAKY.repliesTwice)).status).toBe(200);
    await flaky.server.until(
      async () => (await flaky.ended('garbage')) === endedBefore + 1,
      'the worker is replaced',
    );
    expect((await flaky.evaluate()).status).toBe(200);
  });

  it('that chatters on standard error serves all the same', async () => {
    expect((await flaky.evaluate(FLAKY.chatters)).status).toBe(200);
    expect((await flaky.evaluate()).status).toBe(200);
    await flaky.server.until(
      () => flaky.server.output.includes('a library warns of something'),
      'the log has it',
    );
  });

  it('that fails over a request says so in a coded error, and need not be replaced', async () => {
    const { ended } = await flaky.pool();

    expectProblem(await flaky.evaluate(FLAKY.fails), 502, 'SCRIPT.FAILED');
    expect((await flaky.pool()).ended).toEqual(ended);
  });

  it('that understands a request and refuses it makes a 422 with the field at fault', async () => {
    const answer = await flaky.evaluate(FLAKY.refuses);

    expectProblem(answer, 422, 'SCRIPT.REFUSED');
    expect(answer.body.errors).toEqual([
      { field: 'inputs.x', code: 'INPUT.UNKNOWN', message: 'no such input' },
    ]);
  });

  it('makes one request too many be refused at once, while those that wait are served', async () => {
    const slow = flaky.evaluate(FLAKY.repliesLate);
    await flaky.server.until(async () => (await flaky.pool()).workers.busy === 1, 'the worker is busy');
    const waiting = [flaky.evaluate(), flaky.evaluate(), flaky.evaluate(), flaky.evaluate()];
    await flaky.server.until(async () => (await flaky.pool()).queued === 4, 'the queue is full');
    const oneTooMany = await flaky.evaluate();

    expectProblem(oneTooMany, 503, 'SCRIPT.BUSY');
    expect(oneTooMany.headers.get('retry-after')).toBe('1');
    const served = await Promise.all([slow, ...waiting]);
    expect(served.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
  });

  it('makes what still waits at its deadline be refused, which costs no worker its life', async () => {
    const timeoutsBefore = await flaky.ended('timeout');
    // The worker that hangs is replaced at its deadline; its slow successor is not there in time for the others.
    flaky.trouble('fuzzy_controller', 'starts-slowly');
    const hanging = flaky.evaluate(FLAKY.hangs);
    const waiting = [flaky.evaluate(), flaky.evaluate()];

    for (const answer of await Promise.all([hanging, ...waiting]))
      expectProblem(answer, 504, 'SCRIPT.DEADLINE');
    expect(await flaky.ended('timeout')).toBe(timeoutsBefore + 1);
    expect((await flaky.pool()).queued).toBe(0);
    flaky.mend('fuzzy_controller', 'starts-slowly');
  });
});

describe('a script that dies at start again and again', () => {
  let flaky: FlakyServer;

  beforeAll(async () => {
    flaky = await FlakyServer.start({}, { fuzzy_controller: 'dies-at-start', vision: 'is-another-script' });
  });
  afterAll(() => flaky.stop());

  it('is told from the others, is tried ever more seldom, and serves again when it is mended', async () => {
    const { server } = flaky;
    await server.until(async () => (await flaky.ended('start-failed')) >= 4, 'it has failed several times');

    const answer = await flaky.evaluate();
    expectProblem(answer, 503, 'SCRIPT.UNAVAILABLE');
    expect(answer.headers.get('retry-after')).toBe('1');
    expectProblem(
      await server.post('/v1/analyses', await photo(), { 'content-type': 'image/jpeg' }),
      503,
      'SCRIPT.UNAVAILABLE',
    );
    expect((await flaky.classify()).status).toBe(200);
    const ready = await server.get('/health/ready');
    expect(ready).toMatchObject({
      status: 503,
      body: {
        status: 'unready',
        parts: {
          database: { ready: true },
          fuzzy_controller: { ready: false, workers: { ready: 0 } },
          vision: { ready: false },
          perceptron_notifications: { ready: true },
        },
      },
    });
    expect((await server.get('/health/live')).status).toBe(200);
    expect(await flaky.ended('garbage', 'vision')).toBeGreaterThanOrEqual(2);

    // Pauses double: from the fifth failed start on there are few in a second; at full speed there would be dozens.
    const startsBefore = await flaky.ended('start-failed');
    const since = performance.now();
    await server.until(() => performance.now() - since > 1_000, 'a second has passed');
    expect((await flaky.ended('start-failed')) - startsBefore).toBeLessThanOrEqual(4);

    flaky.mend('fuzzy_controller', 'dies-at-start');
    flaky.mend('vision', 'is-another-script');
    await flaky.untilReady();
    expect((await flaky.evaluate()).status).toBe(200);
  });
});

describe('a worker that has served long enough', () => {
  let flaky: FlakyServer;

  beforeAll(async () => {
    flaky = await FlakyServer.start({
      AQUAPONIA_FUZZY_CONTROLLER_WORKERS: '2',
      AQUAPONIA_FUZZY_CONTROLLER_RECYCLE_REQUESTS: '3',
      AQUAPONIA_PERCEPTRON_NOTIFICATIONS_RECYCLE_MS: '100',
      // Neither is a matter of speed here.
      AQUAPONIA_FUZZY_CONTROLLER_DEADLINE_MS: '20000',
      AQUAPONIA_PERCEPTRON_NOTIFICATIONS_DEADLINE_MS: '20000',
    });
  });
  afterAll(() => flaky.stop());

  /** Four callers, each asking again as soon as it is answered. */
  async function steadyLoad(
    ask: () => Promise<{ status: number }>,
    until: () => Promise<boolean>,
  ): Promise<Set<number>> {
    const statuses = new Set<number>();
    let isOver = false;
    const callers = [1, 2, 3, 4].map(async () => {
      while (!isOver) statuses.add((await ask()).status);
    });
    await flaky.server.until(until, 'workers have been replaced');
    isOver = true;
    await Promise.all(callers);
    return statuses;
  }

  it('is replaced when it is worn, and no request fails over it', async () => {
    const statuses = await steadyLoad(
      () => flaky.evaluate(),
      async () => (await flaky.ended('worn')) >= 6,
    );

    expect([...statuses]).toEqual([200]);
    expect(await flaky.ended('crashed')).toBe(0);
  });

  it('is replaced when it is old, and no request fails over it', async () => {
    const statuses = await steadyLoad(
      () => flaky.classify(),
      async () => (await flaky.ended('old', 'perceptron_notifications')) >= 3,
    );

    expect([...statuses]).toEqual([200]);
    expect(await flaky.ended('crashed', 'perceptron_notifications')).toBe(0);
  });
});

describe('the real scripts', () => {
  const SCRIPTS = ['fuzzy_controller', 'vision', 'perceptron_notifications'];
  let server: Server;
  let image: Buffer;

  beforeAll(async () => {
    image = await photo(256);
    server = await Server.start({
      AQUAPONIA_FUZZY_CONTROLLER_WORKERS: '1',
      AQUAPONIA_FUZZY_CONTROLLER_DEADLINE_MS: '10000',
    });
  });
  afterAll(() => server.stop());

  const evaluate = () => server.post('/v1/control/evaluations', { inputs: { ph: 7 } });
  const analyse = () => server.post('/v1/analyses', image, { 'content-type': 'image/jpeg' });
  const busy = async (script: string) =>
    (await server.get('/health/ready')).body.parts[script].workers.busy as number;

  it('may be killed while idle: the next request is served', async () => {
    const [worker] = workersOf(server.pid, 'fuzzy_controller');
    process.kill(worker!, 'SIGKILL');
    await server.until(() => !isRunning(worker!), 'it is gone');

    // Until the service has heard of the death, a request may still go to the dead one.
    await server.until(async () => (await evaluate()).status === 200, 'another has taken its place');
    expect(workersOf(server.pid, 'fuzzy_controller')).not.toContain(worker);
  });

  it.each([
    ['fuzzy_controller', evaluate, 200],
    ['vision', analyse, 201],
  ] as const)(
    'may be killed in mid-request (%s): that one fails with 502, the next is served',
    async (script, ask, status) => {
      const [worker] = workersOf(server.pid, script);
      // Held still, it is in mid-request for certain.
      process.kill(worker!, 'SIGSTOP');
      const asked = ask();
      await server.until(async () => (await busy(script)) === 1, 'the request is under way');
      process.kill(worker!, 'SIGKILL');

      expectProblem(await asked, 502, 'SCRIPT.FAILED');
      expect((await ask()).status).toBe(status);
    },
  );

  it('leave no process behind when the service is killed', async () => {
    const workers = SCRIPTS.flatMap((script) => workersOf(server.pid, script));
    expect(workers).toHaveLength(3);
    await server.signal('SIGKILL');

    await server.until(() => !workers.some(isRunning), 'every worker has ended by itself');
    await server.launch();
    expect((await evaluate()).status).toBe(200);
  });
});
