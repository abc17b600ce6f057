import { Module } from '@nestjs/common';

import { SystemsModule } from '../systems/systems.module.js';
import { ReadingsController } from './readings.controller.js';
import { ReadingsRepository } from './readings.repository.js';
import { ReadingsService } from './readings.service.js';

@Module({
  imports: [SystemsModule],
  controllers: [ReadingsController],
  providers: [ReadingsRepository, ReadingsService],
  exports: [ReadingsService, SystemsModule],
})
export class ReadingsModule {}
