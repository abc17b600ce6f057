import { Module } from '@nestjs/common';

import { CalibrationRepository } from './calibration.repository.js';
import { ClaimsService } from './claims.service.js';
import { DevicesController } from './devices.controller.js';
import { DevicesRepository } from './devices.repository.js';
import { DevicesService } from './devices.service.js';
import { SystemsController } from './systems.controller.js';
import { SystemsRepository } from './systems.repository.js';
import { SystemsService } from './systems.service.js';

@Module({
  controllers: [SystemsController, DevicesController],
  providers: [
    CalibrationRepository,
    ClaimsService,
    DevicesRepository,
    DevicesService,
    SystemsRepository,
    SystemsService,
  ],
  exports: [CalibrationRepository, DevicesService, SystemsService],
})
export class SystemsModule {}
