import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const SETUP = join(import.meta.dirname, '../scripts/setup.mjs');

describe('set-up, where it cannot write', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aquaponia-setup-'));
    cpSync(SETUP, join(folder, 'scripts/setup.mjs'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  // The test may run as root, whom no mode of a folder stops, and no disk should be filled for it.
  const failing = (code: string): string => `data:text/javascript,
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { writeFileSync } = fs;
    fs.writeFileSync = (file) => {
      if ('${code}' === 'ENOSPC') writeFileSync(file, '');
      throw Object.assign(new Error('${code}: no'), { code: '${code}' });
    };
    syncBuiltinESMExports();`;

  it.each([
    ['ENOSPC', /^The disk is full: [^\n]+\.\n$/],
    ['EACCES', /^Nothing can be written to [^\n]+\.\n$/],
    ['EROFS', /^Nothing can be written to [^\n]+\.\n$/],
  ])('says so in one sentence, and leaves no lock (%s)', (code, sentence) => {
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--import', failing(code).replace(/\s+/g, ' '), join(folder, 'scripts/setup.mjs')],
      { encoding: 'utf8', timeout: 20_000 },
    );

    expect(stderr).toMatch(sentence);
    expect(status).toBe(1);
    expect(existsSync(join(folder, '.setup.lock'))).toBe(false);
  });
});
