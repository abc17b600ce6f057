import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Controller, Get, Res, VERSION_NEUTRAL } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

import { Public } from '../../platform/auth/access.js';

const PAGE = readFileSync(new URL('chart.html', import.meta.url), 'utf8');

const hashOf = (tag: string): string => {
  const [, content] = new RegExp(`<${tag}>(.*?)</${tag}>`, 's').exec(PAGE)!;
  return `'sha256-${createHash('sha256').update(content!).digest('base64')}'`;
};

/** The page holds a key: it runs its own script, and speaks to this server alone. */
const POLICY = [
  "default-src 'none'",
  "connect-src 'self'",
  `script-src ${hashOf('script')}`,
  `style-src ${hashOf('style')}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** For people: what the sensors measured, drawn. Whoever has no key sees an empty page. */
@ApiExcludeController()
@Controller({ path: 'chart', version: VERSION_NEUTRAL })
export class ChartController {
  @Get()
  @Public()
  show(@Res({ passthrough: true }) reply: FastifyReply): string {
    void reply.type('text/html; charset=utf-8').headers({
      'content-security-policy': POLICY,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    return PAGE;
  }
}
