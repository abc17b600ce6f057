import { Module } from '@nestjs/common';

import { SystemsController } from './systems.controller.js';
import { SystemsRepository } from './systems.repository.js';
import { SystemsService } from './systems.service.js';

@Module({
  controllers: [SystemsController],
  providers: [SystemsRepository, SystemsService],
  exports: [SystemsService],
})
export class SystemsModule {}
