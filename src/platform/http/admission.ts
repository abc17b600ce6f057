import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest, RawServerDefault } from 'fastify';

import { identifyHolder } from '../auth/auth.guard.js';
import type { KeysService } from '../auth/keys.service.js';
import { JSON_TYPES } from './bodies.js';
import type { UnderWay } from './http.js';
import { BODIES_TOO_MANY, BODY_MEDIA_TYPE, BODY_TOO_LARGE } from './problem.js';

/** Bodies wait in memory until they are whole; together they may not take more than this. */
export const MAX_BYTES_AT_ONCE = 192 * 1024 * 1024;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Of a public route that takes a body: how large it may be. */
    maxBytesWithoutKey?: number;
  }
}

const METHODS_WITHOUT_BODY = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Before a body is read: who sends it must have a key, and there must be room for it. The guard comes after the body,
 * so that without this, anyone who reaches the port could fill the memory.
 */
export function admitBodies(
  app: NestFastifyApplication<RawServerDefault>,
  keys: KeysService,
  underWay: UnderWay,
  photoTypes: string[],
  largestBody: number,
): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request: FastifyRequest) => {
    if (METHODS_WITHOUT_BODY.includes(request.method)) return;
    const { bodyIs, maxBytesWithoutKey } = request.routeOptions.config;
    if (maxBytesWithoutKey !== undefined) {
      if (announcedBytes(request) > maxBytesWithoutKey) throw BODY_TOO_LARGE.happened();
      return;
    }
    request.keyHolder = await identifyHolder(request, keys);
    if (bodyIs) request.headers['content-type'] = bodyIs;
    // JSON and text are bounded by their own small limit.
    const type = request.headers['content-type']?.split(';', 1)[0]!.trim().toLowerCase();
    if (bodyIs || JSON_TYPES.includes(type ?? '')) return;
    const bytes = Math.min(announcedBytes(request), largestBody);
    // A forgotten header makes curl send a form, which would be refused field by field.
    if (bytes > 0 && type !== undefined && !photoTypes.includes(type)) {
      throw BODY_MEDIA_TYPE.happened(
        `The body must be application/json, or where a photo is due ${photoTypes.join(', ')}`,
      );
    }
    if (underWay.bodyBytes + bytes > MAX_BYTES_AT_ONCE) {
      throw BODIES_TOO_MANY.happened({ headers: { 'retry-after': '2' } });
    }
    underWay.bodyBytes += bytes;
    request.bodyBytes = bytes;
  });
}

/** A body that comes in chunks can be of any size; a request that speaks of none has none (RFC 9112, 6.3). */
function announcedBytes({ headers }: FastifyRequest): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Infinity;
}
