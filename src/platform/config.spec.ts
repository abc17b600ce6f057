import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';

import { ConfigError, readConfig } from './config.js';

describe('the configuration', () => {
  it('has a default for everything', () => {
    expect(readConfig({})).toMatchObject({ port: 3000, adminKey: undefined, webhooksMayBePrivate: false });
  });

  it('names all that is wrong with it together', () => {
    const wrong = { PORT: '70000', AQUAPONIA_VISION_WORKERS: 'two', AQUAPONIA_ADMIN_KEY: 'short' };
    expect(() => readConfig(wrong)).toThrow(ConfigError);
    for (const name of Object.keys(wrong)) expect(() => readConfig(wrong)).toThrow(name);
  });

  it('is documented whole', () => {
    const source = readFileSync(new URL('config.ts', import.meta.url), 'utf8');
    const page = readFileSync(new URL('../../docs/CONFIGURATION.md', import.meta.url), 'utf8');
    const names = [...source.matchAll(/'((?:AQUAPONIA_)?[A-Z_]{4,})'/g)]
      .map(([, name]) => name!)
      .filter((name) => name !== 'CONFIG');
    expect(names.length).toBeGreaterThan(7);
    for (const name of names) expect(page).toContain(name);
    for (const suffix of ['WORKERS', 'QUEUE', 'DEADLINE_MS', 'RECYCLE_REQUESTS', 'RECYCLE_MS'])
      expect(page).toContain(suffix);
  });
});
