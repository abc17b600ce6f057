import { DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';

import { ControlModule } from './control/control.module.js';
import { controlMigrations } from './control/control.repository.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { notificationsMigrations } from './notifications/notifications.repository.js';
import { keysMigrations } from './platform/auth/keys.repository.js';
import type { Config } from './platform/config.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { ReadingsModule } from './readings/readings.module.js';
import { readingsMigrations } from './readings/readings.schema.js';
import { SystemsModule } from './systems/systems.module.js';
import { systemsMigrations } from './systems/systems.repository.js';
import { VisionModule } from './vision/vision.module.js';
import { visionMigrations } from './vision/vision.repository.js';

const MIGRATIONS = [
  keysMigrations,
  systemsMigrations,
  readingsMigrations,
  controlMigrations,
  visionMigrations,
  notificationsMigrations,
];

/** The table of contents, in the order in which data flows. */
@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config, logger),
        DatabaseModule.withMigrations(...MIGRATIONS),
        SystemsModule,
        ReadingsModule,
        ControlModule,
        VisionModule,
        NotificationsModule,
      ],
    };
  }
}
