import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Kysely } from 'kysely';

import { CONFIG, type Config } from '../platform/config.js';
import { DATABASE, databaseFile } from '../platform/database/database.module.js';
import { kindOf } from '../platform/database/kind.js';
import { DatabaseNumbers, type NumberReader, type Transactions } from '../platform/database/numbers.js';
import { SqliteReaders, SqliteTransactions } from '../platform/database/sqlite-threads.js';
import { SystemsModule } from '../systems/systems.module.js';
import { ExportController } from './export.controller.js';
import { ExportRepository } from './export.repository.js';
import { ExportService } from './export.service.js';
import { LiveController } from './live.controller.js';
import { LiveRepository } from './live.repository.js';
import { LiveService } from './live.service.js';
import { SeriesController } from './series.controller.js';
import { NUMBER_READER, SeriesRepository } from './series.repository.js';
import { SeriesService } from './series.service.js';
import { TRANSACTIONS, UpkeepRepository } from './upkeep.repository.js';
import { UpkeepService } from './upkeep.service.js';

/** What becomes of readings once they are stored: charts, exports, news, roll-ups, and their end. */
@Module({
  imports: [SystemsModule],
  controllers: [SeriesController, ExportController, LiveController],
  providers: [
    {
      provide: NUMBER_READER,
      inject: [CONFIG, DATABASE],
      useFactory: (config: Config, database: Kysely<unknown>): NumberReader =>
        kindOf(database) === 'sqlite'
          ? new SqliteReaders(databaseFile(config.dataDir))
          : new DatabaseNumbers(database),
    },
    {
      provide: TRANSACTIONS,
      inject: [CONFIG, DATABASE],
      useFactory: (config: Config, database: Kysely<unknown>): Transactions =>
        kindOf(database) === 'sqlite'
          ? new SqliteTransactions(databaseFile(config.dataDir))
          : new DatabaseNumbers(database),
    },
    ExportRepository,
    ExportService,
    LiveRepository,
    LiveService,
    SeriesRepository,
    SeriesService,
    UpkeepRepository,
    UpkeepService,
  ],
})
export class SeriesModule implements OnApplicationShutdown {
  constructor(
    @Inject(NUMBER_READER) private readonly reader: NumberReader,
    @Inject(TRANSACTIONS) private readonly transactions: Transactions,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.reader.close(), this.transactions.close()]);
  }
}
