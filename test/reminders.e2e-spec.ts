import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { GREENHOUSE, Server } from './helpers/server.js';

const DAY_MS = 86_400_000;

let server: Server;

beforeAll(async () => {
  server = await Server.start();
  await server.post('/v1/systems', GREENHOUSE);
});
afterAll(() => server.stop());

/** As if it had been calibrated so many days ago, and the service started today. */
async function restartWithPhCalibrated(daysAgo: number): Promise<void> {
  await server.signal('SIGTERM');
  const database = new DatabaseSync(join(server.dataDir, 'aquaponia.db'));
  database.prepare(`update sensors set calibrated_at = ? where id = 'ph'`).run(Date.now() - daysAgo * DAY_MS);
  database.close();
  await server.launch();
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
const notifications = async (): Promise<any[]> =>
  (await server.get('/v1/systems/greenhouse/notifications')).body.notifications;

describe('a probe that is to be calibrated', () => {
  it('is spoken of once, and no more when it has been', async () => {
    await restartWithPhCalibrated(29);
    expect(await notifications()).toEqual([]);

    await restartWithPhCalibrated(31);
    await server.until(async () => (await notifications()).length === 1, 'the reminder is there');
    expect((await notifications())[0]).toMatchObject({ level: 'advisory', resolvedAt: null });
    expect((await notifications())[0].message).toMatch(/^ph \(.+\) was last calibrated on .+, and is due$/);

    await restartWithPhCalibrated(31);
    const again = await server.until(
      async () => (await notifications()).find(({ at, lastSeenAt }) => at !== lastSeenAt),
      'it is seen again',
    );
    expect(again.resolvedAt).toBeNull();
    expect(await notifications()).toHaveLength(1);

    await restartWithPhCalibrated(0);
    await server.until(async () => (await notifications())[0].resolvedAt !== null, 'it is over');
    expect(await notifications()).toHaveLength(1);
  });
});
