import { isUtf8 } from 'node:buffer';
import { gunzip, inflate, type InputType, type ZlibOptions } from 'node:zlib';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest, RawServerDefault } from 'fastify';

import { MAX_JSON_BYTES } from './http.js';
import { BODY_ENCODING, BODY_NOT_UTF8, BODY_TOO_LARGE, BODY_UNREADABLE } from './problem.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whatever media type a request names, or none, the body of this route is of that one. */
    bodyIs?: string;
  }
}

export const SENML_JSON = 'application/senml+json';
export const JSON_TYPES = ['application/json', SENML_JSON];
export const TEXT = 'text/plain';

type Done = (error: Error | null, body?: unknown) => void;
type Parse = (request: FastifyRequest, text: string, done: Done) => void;
type Decompress = (
  body: InputType,
  options: ZlibOptions,
  done: (error: Error | null, plain: Buffer) => void,
) => void;

const CODINGS = new Map<string, Decompress>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['deflate', inflate],
]);

/** JSON and text, as UTF-8, compressed or not; never more than `MAX_JSON_BYTES`, on the wire and once decompressed. */
export function readBodies(app: NestFastifyApplication<RawServerDefault>): void {
  const fastify = app.getHttpAdapter().getInstance();
  const parseJson = fastify.getDefaultJsonParser('error', 'error') as Parse;
  const options = { bodyLimit: MAX_JSON_BYTES };
  app.useBodyParser(JSON_TYPES, options, asText(parseJson));
  app.useBodyParser(
    TEXT,
    options,
    asText((_request, text, done) => done(null, text)),
  );
}

function asText(parse: Parse): (request: FastifyRequest, body: Buffer, done: Done) => void {
  return (request, body, done) =>
    decompressed(request, body, (error, plain) => {
      if (error) return done(error);
      if (!isUtf8(plain!)) return done(BODY_NOT_UTF8.happened());
      parse(request, plain!.toString(), done);
    });
}

function decompressed(
  { headers }: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, plain?: Buffer) => void,
): void {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (coding === 'identity') return done(null, body);
  const decompress = CODINGS.get(coding);
  if (!decompress) return done(BODY_ENCODING.happened({ headers: { 'accept-encoding': 'gzip, deflate' } }));
  // What is small on the wire can be huge: zlib gives up as soon as it is beyond the limit.
  decompress(body, { maxOutputLength: MAX_JSON_BYTES }, (error, plain) => {
    if (!error) return done(null, plain);
    const isTooLarge = (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    done(isTooLarge ? BODY_TOO_LARGE.happened() : BODY_UNREADABLE.happened(`${coding}: ${error.message}`));
  });
}
