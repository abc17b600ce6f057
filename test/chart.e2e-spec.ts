import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { Server } from './helpers/server.ts';

let server: Server;

beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.stop());

describe('the chart', () => {
  it('is a page for everyone, which runs its own script and speaks to nobody else', async () => {
    const { status, headers, body } = await server.send('/chart', {});
    const page = body as string;
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = headers.get('content-security-policy')!;
    expect(policy).toContain("default-src 'none'");
    for (const tag of ['script', 'style']) {
      const inline = [...page.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))];
      expect(inline).toHaveLength(1);
      const hash = createHash('sha256').update(inline[0]![1]!).digest('base64');
      expect(policy).toContain(`${tag}-src 'sha256-${hash}'`);
    }
    // What would need more than the policy allows.
    expect(page).not.toMatch(/ (src|href|style|on[a-z]+)=/);
    expect(page.match(/https?:\/\/[^'"\s]+/g)).toEqual(['http://www.w3.org/2000/svg']);
  });
});
