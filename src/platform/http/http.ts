import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { Logger } from 'pino';

import type { Metrics } from '../metrics/metrics.js';

/** Ten thousand readings fit; more is better sent as several batches. */
export const MAX_JSON_BYTES = 4 * 1024 * 1024;

const REQUEST_ID = 'x-request-id';
const REQUEST_ID_FORM = /^[\w.:-]{1,128}$/;
const HOST = hostname();

/** A caller's own request id is kept where it is harmless, so that one id follows a request through several services. */
export function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers[REQUEST_ID];
  return typeof given === 'string' && REQUEST_ID_FORM.test(given) ? given : randomUUID();
}

/** What every answer carries. */
export const ownHeaders = (id: string): Record<string, string> => ({ [REQUEST_ID]: id, 'x-served-by': HOST });

declare module 'fastify' {
  interface FastifyRequest {
    /** How much of its body may be in memory while the request is under way; absent where that is little. */
    bodyBytes?: number;
  }
}

/** What the requests that have come and not gone amount to. */
export interface UnderWay {
  requests: number;
  bodyBytes: number;
}

/** Every answer carries its request id and its host; every request is timed and logged. */
export function observeRequests(
  app: NestFastifyApplication<RawServerDefault>,
  metrics: Metrics,
  logger: Logger,
): UnderWay {
  const durations = metrics.histogram('http_request_duration_seconds', 'Requests, by route and status', [
    'method',
    'route',
    'status',
  ]);
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    reply.headers(ownHeaders(request.id));
    done();
  });
  fastify.addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    const route = request.routeOptions.url ?? 'none';
    const status = reply.statusCode;
    durations.observe({ method: request.method, route, status: String(status) }, reply.elapsedTime / 1000);
    const entry = {
      requestId: request.id,
      keyId: request.keyHolder?.keyId,
      method: request.method,
      path: request.url.split('?', 1)[0],
      status,
      durationMs: Math.round(reply.elapsedTime * 100) / 100,
    };
    if (status >= 400) logger.warn(entry, 'request refused');
    else logger.debug(entry, 'request served');
    done();
  });
  return watchRequests(fastify);
}

/**
 * The end waits for requests under way, and for nothing else. Node alone would wait, for a minute and more, for a
 * connection that was under way when the end began, and for one on which no request ever came.
 */
function watchRequests(fastify: FastifyInstance): UnderWay {
  const underWay: UnderWay = { requests: 0, bodyBytes: 0 };
  let isEnding = false;
  const endConnections = (): void => {
    if (isEnding && underWay.requests === 0) fastify.server.closeAllConnections();
  };
  fastify.addHook('onRequest', (request, reply, done) => {
    underWay.requests += 1;
    // Not onResponse: it never comes where the caller has gone before the answer.
    reply.raw.once('close', () => {
      underWay.requests -= 1;
      underWay.bodyBytes -= request.bodyBytes ?? 0;
      endConnections();
    });
    done();
  });
  fastify.addHook('preClose', (done) => {
    isEnding = true;
    endConnections();
    done();
  });
  return underWay;
}
