import { expect, it } from '@jest/globals';

import { SqliteStore } from './sqlite.store.js';

it('says that the store cannot be used where its thread ends', async () => {
  const store = new SqliteStore('/nowhere/store.db');
  const statement = { sql: 'select 1', parameters: [] };
  for (let time = 0; time < 2; time++) {
    await expect(store.run(statement as never)).rejects.toMatchObject({
      type: { status: 503, code: 'STORE.UNAVAILABLE' },
    });
  }
  await store.close();
});
