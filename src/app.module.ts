import { DynamicModule, Module } from '@nestjs/common';
import type { Logger } from 'pino';

import { ControlModule } from './control/control.module.js';
import { MIGRATIONS } from './migrations.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import type { Config } from './platform/config.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { PlatformModule } from './platform/platform.module.js';
import { ReadingsModule } from './readings/readings.module.js';
import { SeriesModule } from './readings/series.module.js';
import { SystemsModule } from './systems/systems.module.js';
import { VisionModule } from './vision/vision.module.js';

/** The table of contents, in the order in which data flows. */
@Module({})
export class AppModule {
  static with(config: Config, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config, logger),
        DatabaseModule.with(MIGRATIONS),
        SystemsModule,
        ReadingsModule,
        SeriesModule,
        ControlModule,
        VisionModule,
        NotificationsModule,
      ],
    };
  }
}
