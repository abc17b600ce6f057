import { Module } from '@nestjs/common';

import { CONFIG, type Config } from '../platform/config.js';
import { databaseFile } from '../platform/database/database.module.js';
import { SystemsModule } from '../systems/systems.module.js';
import { IngestService } from './ingest.service.js';
import { ReadingsController } from './readings.controller.js';
import { ReadingsRepository } from './readings.repository.js';
import { ReadingsService } from './readings.service.js';
import { READINGS_STORE } from './readings.store.js';
import { SqliteStore } from './sqlite.store.js';

@Module({
  imports: [SystemsModule],
  controllers: [ReadingsController],
  providers: [
    {
      provide: READINGS_STORE,
      inject: [CONFIG],
      useFactory: (config: Config) => new SqliteStore(databaseFile(config.dataDir)),
    },
    IngestService,
    ReadingsRepository,
    ReadingsService,
  ],
  exports: [IngestService, ReadingsService, SystemsModule],
})
export class ReadingsModule {}
