import { DynamicModule, Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import type { Logger } from 'pino';

import { AuthGuard } from './auth/auth.guard.js';
import { KeysController } from './auth/keys.controller.js';
import { KeysRepository } from './auth/keys.repository.js';
import { KeysService } from './auth/keys.service.js';
import { Clock } from './clock.js';
import { CONFIG, type Config } from './config.js';
import { Events } from './events.js';
import { HealthController } from './health/health.controller.js';
import { HealthRegistry } from './health/health.registry.js';
import { ProblemFilter } from './http/problem.filter.js';
import { UnexpectedGuard } from './http/unexpected.guard.js';
import { LOGGER } from './logging.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { Metrics } from './metrics/metrics.js';
import { Mqtt } from './mqtt/mqtt.js';

/** What every room stands on; it knows no fish. */
@Global()
@Module({})
export class PlatformModule {
  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: PlatformModule,
      controllers: [KeysController, HealthController, MetricsController],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: LOGGER, useValue: logger },
        // In this order: whoever has no key learns nothing of what a route takes.
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_GUARD, useClass: UnexpectedGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
        Clock,
        Events,
        HealthRegistry,
        KeysRepository,
        KeysService,
        Metrics,
        Mqtt,
      ],
      exports: [CONFIG, LOGGER, Clock, Events, HealthRegistry, KeysService, Metrics, Mqtt],
    };
  }
}
