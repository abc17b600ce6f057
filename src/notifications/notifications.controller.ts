import { Body, Controller, Delete, Get, HttpCode, Param, ParseIntPipe, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';

import { SCRIPT_PROBLEMS } from '../brain/brain.problems.js';
import { AllowedFrom } from '../platform/auth/access.js';
import { PageQuery } from '../platform/http/page.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem } from '../systems/systems.controller.js';
import { SYSTEM_NOT_FOUND } from '../systems/systems.service.js';
import {
  Classification,
  Classify,
  CreatedWebhook,
  CreateWebhook,
  Notification,
  NotificationList,
  SystemClassification,
  WebhookList,
} from './notifications.dto.js';
import {
  NO_READINGS,
  NOTIFICATION_NOT_FOUND,
  NotificationsService,
  WEBHOOK_NOT_FOUND,
  WEBHOOK_PRIVATE,
  WEBHOOK_TAKEN,
} from './notifications.service.js';

@ApiTags('notifications')
@Controller()
export class NotificationsController {
  constructor(private readonly notifications: NotificationsService) {}

  /** Classify a given set of readings; needs no system, stores nothing, tells nobody. */
  @Post('notifications/classifications')
  @HttpCode(200)
  @AllowedFrom('operator')
  @Fails(REQUEST_INVALID, ...SCRIPT_PROBLEMS)
  classify(@Body() body: Classify): Promise<Classification> {
    return this.notifications.classifyGiven(body);
  }

  /** Be told: each notification is posted to the URL, signed, and tried again until it arrives. */
  @Post('webhooks')
  @AllowedFrom('operator')
  @Fails(REQUEST_INVALID, WEBHOOK_PRIVATE, SYSTEM_NOT_FOUND, WEBHOOK_TAKEN)
  createWebhook(@Body() body: CreateWebhook): Promise<CreatedWebhook> {
    return this.notifications.createWebhook(body);
  }

  /** Classify the state of a system; a warning or worse is stored and delivered to the webhooks, once. */
  @Post('systems/:systemId/classifications')
  @HttpCode(200)
  @AllowedFrom('operator')
  @InSystem()
  @Fails(NO_READINGS, ...SCRIPT_PROBLEMS)
  classifySystem(@Param('systemId') systemId: string): Promise<SystemClassification> {
    return this.notifications.classifySystem(systemId);
  }

  /** The notifications of a system, newest first. */
  @Get('systems/:systemId/notifications')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID)
  async list(@Param('systemId') systemId: string, @Query() page: PageQuery): Promise<NotificationList> {
    return { notifications: await this.notifications.list(systemId, page) };
  }

  /** Somebody has seen it; the first acknowledgement stands. */
  @Post('systems/:systemId/notifications/:notificationId/acknowledgement')
  @HttpCode(200)
  @AllowedFrom('operator')
  @InSystem()
  @ApiParam({ name: 'notificationId', example: 1, type: Number })
  @Fails(REQUEST_INVALID, NOTIFICATION_NOT_FOUND)
  acknowledge(
    @Param('systemId') systemId: string,
    @Param('notificationId', ParseIntPipe) notificationId: number,
  ): Promise<Notification> {
    return this.notifications.acknowledge(systemId, notificationId);
  }

  /** All webhooks, without their secrets. */
  @Get('webhooks')
  @AllowedFrom('operator')
  async listWebhooks(): Promise<WebhookList> {
    return { webhooks: await this.notifications.listWebhooks() };
  }

  /** Forget a webhook; what waits for it is not sent. */
  @Delete('webhooks/:webhookId')
  @HttpCode(204)
  @AllowedFrom('operator')
  @ApiParam({ name: 'webhookId', example: 'farm-phone', type: String })
  @Fails(WEBHOOK_NOT_FOUND)
  deleteWebhook(@Param('webhookId') webhookId: string): Promise<void> {
    return this.notifications.deleteWebhook(webhookId);
  }
}
