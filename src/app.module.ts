import { DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';

import { keysMigrations } from './platform/auth/keys.repository.js';
import type { Config } from './platform/config.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { ReadingsModule } from './readings/readings.module.js';
import { readingsMigrations } from './readings/readings.repository.js';
import { SystemsModule } from './systems/systems.module.js';
import { systemsMigrations } from './systems/systems.repository.js';

/** The table of contents, in the order in which data flows. */
@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config, logger),
        DatabaseModule.withMigrations(keysMigrations, systemsMigrations, readingsMigrations),
        SystemsModule,
        ReadingsModule,
      ],
    };
  }
}
