import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import sharp from 'sharp';

import { jpegOf } from './helpers/images.ts';
import { expectProblem } from './helpers/problem.ts';
import { type Answer, GREENHOUSE, Server } from './helpers/server.ts';

const JPEG = { 'content-type': 'image/jpeg' };
const FIGURES = ['canopy-cover', 'greenness', 'yellowing', 'browning'];

interface SensorStatus {
  sensor: string;
  condition: string;
}

describe('a photo of plants', () => {
  let server: Server;
  let leaves: Buffer;
  let systems = 0;

  async function newSystem(template?: string): Promise<string> {
    const id = `seen-${++systems}`;
    expect((await server.post('/v1/systems', { ...GREENHOUSE, id, template })).status).toBe(201);
    return `/v1/systems/${id}`;
  }

  const look = (system: string, photo = leaves, query = ''): Promise<Answer> =>
    server.post(`${system}/analyses${query}`, photo, JPEG);

  /** The sensors that have a reading. */
  async function fed(system: string): Promise<string[]> {
    const { sensors } = (await server.get(`${system}/status`)).body as { sensors: SensorStatus[] };
    return sensors.filter(({ condition }) => condition !== 'silent').map(({ sensor }) => sensor);
  }

  const analysesOf = async (system: string): Promise<unknown[]> =>
    ((await server.get(`${system}/analyses`)).body as { analyses: unknown[] }).analyses;

  /** As a full disk would, and only for this table. */
  async function whileRefusing(table: string, test: () => Promise<void>): Promise<void> {
    const database = new DatabaseSync(join(server.dataDir, 'aquaponia.db'));
    try {
      database.exec(`create trigger refuse before insert on ${table} begin select raise(abort, 'full'); end`);
      await test();
    } finally {
      database.exec('drop trigger refuse');
      database.close();
    }
  }

  beforeAll(async () => {
    server = await Server.start();
    leaves = await jpegOf(400, 300);
  });
  afterAll(() => server.stop());

  it("feeds the camera's sensors, and no other that has the name of one", async () => {
    const system = await newSystem();
    await server.post(`${system}/devices`, { id: 'probe', name: 'Probe' });
    const impostor = { id: 'yellowing', deviceId: 'probe', quantity: 'ph', place: 'tank' };
    expect((await server.post(`${system}/sensors`, impostor)).status).toBe(201);

    const expected = ['canopy-cover', 'greenness', 'browning'];
    expect((await look(system)).body).toMatchObject({ yellowing: { value: 0 }, storedTo: expected });
    expect((await fed(system)).sort()).toEqual([...expected].sort());
  });

  it("finds the camera's sensors by what they measure, whatever they are called", async () => {
    const system = await newSystem();
    await server.post(`${system}/devices`, { id: 'camera', name: 'Camera over the raft' });
    for (const [id, quantity] of [
      ['yellow-leaves', 'yellowing'],
      ['yellowing', 'ph'],
    ]) {
      await server.post(`${system}/sensors`, { id, deviceId: 'camera', quantity, place: 'bed' });
    }

    const expected = ['canopy-cover', 'greenness', 'yellow-leaves', 'browning'];
    expect((await look(system)).body).toMatchObject({ storedTo: expected });
    expect((await fed(system)).sort()).toEqual([...expected].sort());
  });

  it('is looked at where every name is taken, and stored as no reading', async () => {
    const system = await newSystem();
    await server.post(`${system}/devices`, { id: 'probe', name: 'Probe' });
    for (const id of FIGURES) {
      await server.post(`${system}/sensors`, { id, deviceId: 'probe', quantity: 'ph', place: 'tank' });
    }

    expect(await look(system)).toMatchObject({ status: 201, body: { storedTo: [] } });
    expect(await fed(system)).toEqual([]);
  });

  it('that is a strip, too narrow once it is shrunk, is refused as too small', async () => {
    const answer = await look(await newSystem(), await jpegOf(9, 8000));

    expectProblem(answer, 422, 'IMAGE.TOO_SMALL');
    expect(answer.body).toMatchObject({
      detail: 'The image has 9 × 8000 pixels, and 1 × 1024 once shrunk for the analysis',
    });
  });

  it('leaves no readings where its analysis cannot be stored', async () => {
    const system = await newSystem('raft');
    await whileRefusing('analyses', async () => {
      expectProblem(await look(system), 500, 'INTERNAL.ERROR');
    });

    expect(await fed(system)).toEqual([]);
  });

  it('can be sent again where its readings could not be stored', async () => {
    const system = await newSystem('raft');
    const observedAt = '?observedAt=2026-01-01T10:00:00Z';
    await whileRefusing('readings', async () => {
      expectProblem(await look(system, leaves, observedAt), 500, 'INTERNAL.ERROR');
    });
    expect(await analysesOf(system)).toEqual([expect.objectContaining({ storedTo: [] })]);

    const { body } = await look(system, leaves, observedAt);
    expect(body).toMatchObject({ storedTo: FIGURES });
    expect((await analysesOf(system))[0]).toEqual(body);
  });

  it('whose readings are all refused leaves nothing behind', async () => {
    const system = await newSystem('raft');
    const readings = FIGURES.map((sensor) => ({ sensor, value: 1.5, observedAt: '2026-01-01T10:00:00Z' }));
    expect((await server.post(`${system}/readings`, { readings })).status).toBe(200);

    expectProblem(await look(system, leaves, '?observedAt=2026-01-01T10:00:00Z'), 422, 'READINGS.REFUSED');
    expect(await analysesOf(system)).toEqual([]);
  });
});

describe('photos that take long to decode', () => {
  const DEADLINE_MS = 1_000;
  /** What a busy machine may add; these photos one after the other would take longer. */
  const SLACK_MS = 2_500;
  let server: Server;

  beforeAll(async () => {
    server = await Server.start({
      AQUAPONIA_VISION_WORKERS: '1',
      AQUAPONIA_VISION_QUEUE: '1',
      AQUAPONIA_VISION_DEADLINE_MS: String(DEADLINE_MS),
    });
  });
  afterAll(() => server.stop());

  it('are answered within the deadline, and wait only as many as may', async () => {
    // The most that the limits let through: half a gigabyte of pixels in a few megabytes.
    const background = { r: 9, g: 99, b: 9, alpha: 0.5 };
    const slow = await sharp({ create: { width: 7_999, height: 8_000, channels: 4, background } })
      .toColourspace('rgb16')
      .png({ compressionLevel: 1 })
      .toBuffer();
    const started = performance.now();
    const answers = await Promise.all(
      [1, 2, 3].map(() => server.post('/v1/analyses', slow, { 'content-type': 'image/png' })),
    );

    expect(performance.now() - started).toBeLessThan(DEADLINE_MS + SLACK_MS);
    answers.sort((one, other) => one.status - other.status);
    const [busy, ...late] = answers;
    expectProblem(busy!, 503, 'SCRIPT.BUSY');
    expect(busy!.headers.get('retry-after')).toBe('1');
    // A fast machine decodes within the deadline; what happens at it, `turns.spec.ts` tells on any.
    for (const answer of late.filter(({ status }) => status !== 201)) {
      expectProblem(answer, 504, 'SCRIPT.DEADLINE');
    }

    const small = await server.post('/v1/analyses', await jpegOf(64, 64), JPEG);
    expect(small.status).toBe(201);
  });
});
