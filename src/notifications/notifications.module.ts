import { Module } from '@nestjs/common';

import { BrainModule } from '../brain/brain.module.js';
import { ReadingsModule } from '../readings/readings.module.js';
import { CalibrationReminders } from './calibration-reminders.service.js';
import { DeliveryService } from './delivery.service.js';
import { NotificationsController } from './notifications.controller.js';
import { NotificationsRepository } from './notifications.repository.js';
import { NotificationsService } from './notifications.service.js';
import { PERCEPTRON_NOTIFICATIONS } from './perceptron-notifications.script.js';

@Module({
  imports: [BrainModule.for(PERCEPTRON_NOTIFICATIONS), ReadingsModule],
  controllers: [NotificationsController],
  providers: [NotificationsRepository, NotificationsService, DeliveryService, CalibrationReminders],
})
export class NotificationsModule {}
