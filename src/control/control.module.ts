import { Module } from '@nestjs/common';

import { BrainModule } from '../brain/brain.module.js';
import { ReadingsModule } from '../readings/readings.module.js';
import { ActuatorEntities } from './actuator-entities.js';
import { ControlController } from './control.controller.js';
import { ControlRepository } from './control.repository.js';
import { ControlService } from './control.service.js';
import { FUZZY_CONTROLLER } from './fuzzy-controller.script.js';

@Module({
  imports: [BrainModule.for(FUZZY_CONTROLLER), ReadingsModule],
  controllers: [ControlController],
  providers: [ActuatorEntities, ControlRepository, ControlService],
})
export class ControlModule {}
