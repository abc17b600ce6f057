import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { Checkpoint } from './checkpoint.ts';
import { emptyTally } from './tally.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'aquaponia-checkpoint-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const checkpointOf = (identity: unknown) => new Checkpoint(identity, { XDG_STATE_HOME: folder });

describe('Checkpoint', () => {
  it('is kept, found again by the same import alone, and removed', () => {
    const tally = { ...emptyTally(['ph']), rows: 7 };
    checkpointOf({ file: 'a' }).save(tally);
    expect(checkpointOf({ file: 'a' }).load()).toEqual(tally);
    expect(checkpointOf({ file: 'b' }).load()).toBeUndefined();
    checkpointOf({ file: 'a' }).remove();
    expect(checkpointOf({ file: 'a' }).load()).toBeUndefined();
    expect(readdirSync(join(folder, 'aquaponia/imports'))).toEqual([]);
  });

  it('begins anew where its file was damaged', () => {
    const checkpoint = checkpointOf({ file: 'c' });
    checkpoint.save(emptyTally(['ph']));
    writeFileSync(checkpoint.path, '{"rows":');
    expect(checkpoint.load()).toBeUndefined();
  });
});
