import { Module } from '@nestjs/common';
import type { Pool } from 'pg';

import { CONFIG, type Config } from '../platform/config.js';
import { databaseFile, POSTGRES_POOL } from '../platform/database/database.module.js';
import { SystemsModule } from '../systems/systems.module.js';
import { ChartController } from './chart/chart.controller.js';
import { HomeAssistantService } from './home-assistant.service.js';
import { Allowance } from './allowance.js';
import { IngestService } from './ingest.service.js';
import { MqttMappingsController } from './protocols/mqtt-mappings.controller.js';
import { MqttMappingsRepository } from './protocols/mqtt-mappings.repository.js';
import { MqttMappingsService } from './protocols/mqtt-mappings.service.js';
import { MqttAdapter } from './protocols/mqtt.adapter.js';
import { PostgresStore } from './postgres.store.js';
import { IngestKeysRepository } from './protocols/ingest-keys.repository.js';
import { Intake } from './protocols/intake.js';
import { LineProtocolController } from './protocols/line-protocol.controller.js';
import { SenmlController } from './protocols/senml.controller.js';
import { ReadingsController } from './readings.controller.js';
import { ReadingsRepository } from './readings.repository.js';
import { ReadingsService } from './readings.service.js';
import { READINGS_STORE, type ReadingsStore } from './readings.store.js';
import { ReplicaNews } from './replicas.js';
import { CalibrationController } from './calibration.controller.js';
import { CalibrationService } from './calibration.service.js';
import { DerivedRepository } from './derived.repository.js';
import { DeriverService } from './deriver.service.js';
import { HistoryRepository } from './history.repository.js';
import { QualityController } from './quality.controller.js';
import { QualityService } from './quality.service.js';
import { RejudgingService } from './rejudging.service.js';
import { SqliteStore } from './sqlite.store.js';

@Module({
  imports: [SystemsModule],
  controllers: [
    ChartController,
    ReadingsController,
    SenmlController,
    LineProtocolController,
    MqttMappingsController,
    QualityController,
    CalibrationController,
  ],
  providers: [
    {
      provide: READINGS_STORE,
      inject: [CONFIG, POSTGRES_POOL],
      useFactory: (config: Config, pool: Pool | undefined): ReadingsStore =>
        pool ? new PostgresStore(pool) : new SqliteStore(databaseFile(config.dataDir)),
    },
    HomeAssistantService,
    Allowance,
    IngestKeysRepository,
    IngestService,
    MqttAdapter,
    MqttMappingsRepository,
    MqttMappingsService,
    Intake,
    CalibrationService,
    DerivedRepository,
    DeriverService,
    HistoryRepository,
    QualityService,
    RejudgingService,
    ReadingsRepository,
    ReadingsService,
    ReplicaNews,
  ],
  exports: [HomeAssistantService, IngestService, ReadingsService, SystemsModule],
})
export class ReadingsModule {}
