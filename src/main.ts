import 'reflect-metadata';

import { readFileSync } from 'node:fs';
import { VersioningType } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';

import { AppModule } from './app.module.js';
import { KeysService } from './platform/auth/keys.service.js';
import { type Config, ConfigError, readConfig } from './platform/config.js';
import { admitBodies } from './platform/http/admission.js';
import { readBodies } from './platform/http/bodies.js';
import { MAX_JSON_BYTES, observeRequests, requestId } from './platform/http/http.js';
import { refuseUnread } from './platform/http/unread.js';
import { RequestValidationPipe } from './platform/http/validation.pipe.js';
import { createLogger, NestLogger } from './platform/logging.js';
import { Metrics } from './platform/metrics/metrics.js';
import { Mqtt } from './platform/mqtt/mqtt.js';
import { describeApi, serveDocumentation } from './platform/openapi/openapi.js';
import { IMAGE_TYPES, MAX_IMAGE_BYTES } from './vision/image.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

async function start(config: Config): Promise<void> {
  const logger = createLogger(config.logLevel);
  const adapter = new FastifyAdapter({
    bodyLimit: MAX_JSON_BYTES,
    genReqId: requestId,
    // An idle connection must not hold up the end of the service; one with a request in it may.
    forceCloseConnections: 'idle',
    ...refuseUnread(logger),
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config, logger), adapter, {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
  app.useGlobalPipes(new RequestValidationPipe());
  app.useBodyParser(IMAGE_TYPES, { bodyLimit: MAX_IMAGE_BYTES });
  readBodies(app);
  const underWay = observeRequests(app, app.get(Metrics), logger);
  admitBodies(app, app.get(KeysService), underWay, IMAGE_TYPES, MAX_IMAGE_BYTES);
  serveDocumentation(app, describeApi(app, version));
  await app.listen(config.port, config.host);

  let isStopping = false;
  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    await app.close();
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop());
  process.on('SIGINT', () => void stop());

  const { port } = app.getHttpServer().address() as { port: number };
  // Not before it listens: a start that failed would have made a key that nobody has seen.
  announce(port, app.get(Mqtt).addresses(), await app.get(KeysService).makeFirstAdminKey());
  logger.info({ port, version }, 'listening');
}

/** For the person at the terminal; the log beside it is for machines, and never holds the key. */
function announce(port: number, mqttAddresses: string[], firstAdminKey: string | undefined): void {
  const lines = [
    '',
    `  Aquaponia ${version}`,
    `  Swagger page   http://localhost:${port}/docs`,
    `  Health         http://localhost:${port}/health/ready`,
    ...mqttAddresses.map((address) => `  MQTT           ${address}`),
    ...(firstAdminKey ? [`  Admin key      ${firstAdminKey}   (shown this once: keep it)`] : []),
    '',
  ];
  process.stdout.write(lines.join('\n') + '\n');
}

/** One plain sentence with the remedy, where we know it. */
function explain(error: unknown, port: string): string {
  const { code, message } = error as { code?: string; message?: string };
  if (error instanceof ConfigError) return `The configuration is wrong: ${message}.`;
  if (code === 'EADDRINUSE')
    return `Port ${port} is in use: stop what listens there, or set PORT to another.`;
  if (code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL') {
    return `HOST must be an address of this machine, such as 0.0.0.0 or 127.0.0.1: ${message}.`;
  }
  if (code === 'EACCES') return `Not allowed: ${message}. Choose another PORT or AQUAPONIA_DATA_DIR.`;
  if (code === 'ENOSPC' || /disk is full/.test(message ?? '')) {
    return `The disk is full: free some space, or set AQUAPONIA_DATA_DIR to another disk.`;
  }
  return `Aquaponia could not start: ${message ?? String(error)}`;
}

try {
  await start(readConfig(process.env));
} catch (error) {
  process.stderr.write(`${explain(error, process.env.PORT ?? '3000')}\n`);
  process.exit(1);
}
