import { Module } from '@nestjs/common';

import { BrainModule } from '../brain/brain.module.js';
import { ReadingsModule } from '../readings/readings.module.js';
import { VisionController } from './vision.controller.js';
import { VisionRepository } from './vision.repository.js';
import { VisionService } from './vision.service.js';
import { VISION } from './vision.script.js';

@Module({
  imports: [BrainModule.for(VISION), ReadingsModule],
  controllers: [VisionController],
  providers: [VisionRepository, VisionService],
})
export class VisionModule {}
