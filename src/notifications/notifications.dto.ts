import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsNumber,
  IsOptional,
  IsUrl,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';

import { IsSlug } from '../platform/http/slug.js';
import { QUALITIES, type Quality } from '../readings/quality.js';
import { CROP_NAMES, SPECIES_NAMES } from '../systems/profiles.js';
import { QUANTITY_NAMES } from '../systems/quantities.js';
import { type Level, LEVELS, PerceptronReply } from './perceptron-notifications.script.js';

const CLASSIFIED_QUANTITIES = QUANTITY_NAMES;

export class ReadingToClassify {
  /** @example dissolved-oxygen */
  @IsIn(CLASSIFIED_QUANTITIES)
  @ApiProperty({ enum: CLASSIFIED_QUANTITIES, example: 'dissolved-oxygen' })
  quantity: string;

  /**
   * In the unit of the quantity; null where the probe failed.
   * @example 3.1
   */
  @ApiProperty({ type: Number, nullable: true, example: 3.1 })
  @ValidateIf((reading: ReadingToClassify) => reading.value !== null)
  @IsNumber()
  value: number | null;

  /** @example good */
  @IsOptional()
  @IsIn(QUALITIES)
  @ApiProperty({ enum: QUALITIES, required: false, default: 'good' })
  quality: Quality = 'good';

  /**
   * How old it is.
   * @example 20
   */
  @ApiProperty({ required: false, default: 0 })
  @IsOptional()
  @IsNumber()
  @Min(0)
  ageSeconds: number = 0;

  /**
   * How fast it moves, in units per hour.
   * @example -1.5
   */
  @IsOptional()
  @IsNumber()
  ratePerHour?: number;
}

export class Classify {
  /**
   * 1 to 200 readings.
   * @example [{ "quantity": "dissolved-oxygen", "value": 3.1, "ratePerHour": -1.5 }, { "quantity": "water-temperature", "value": 28 }]
   */
  @ApiProperty({ type: [ReadingToClassify] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @ValidateNested({ each: true })
  @Type(() => ReadingToClassify)
  readings: ReadingToClassify[];

  /** @example nile-tilapia */
  @IsIn(SPECIES_NAMES)
  species: string;

  /** @example lettuce */
  @IsOptional()
  @IsIn(CROP_NAMES)
  crop?: string;
}

export class HardLimitView {
  /** @example critical */
  @ApiProperty({ enum: LEVELS })
  level: Level;

  /** @example DISSOLVED-OXYGEN.LOW */
  code: string;

  /** @example dissolved-oxygen */
  quantity: string;

  /** @example 3.1 */
  value: number;

  /** @example 4 */
  limit: number;

  /** @example 'dissolved-oxygen 3.1 is below the limit of 4' */
  message: string;
}

export class Classification {
  /**
   * The worse of what the perceptron says and what the hard limits say.
   * @example critical
   */
  @ApiProperty({ enum: LEVELS })
  level: Level;

  /** The limits that are breached; they always win over the perceptron. */
  hardLimits: HardLimitView[];

  /** Null where the script failed and a hard limit is breached, which needs no script. */
  perceptron: PerceptronReply | null;
}

export class Delivery {
  /** @example farm-phone */
  webhookId: string;

  /** @example delivered */
  @ApiProperty({ enum: ['pending', 'delivered', 'failed'] })
  status: 'pending' | 'delivered' | 'failed';

  /** @example 1 */
  attempts: number;

  /** When it is tried again. */
  nextAttemptAt: string | null;

  /** What went wrong the last time. */
  lastError: string | null;
}

export class Notification {
  /** @example 1 */
  id: number;

  /** @example greenhouse */
  systemId: string;

  /** @example critical */
  @ApiProperty({ enum: LEVELS })
  level: Level;

  /** @example 'dissolved-oxygen 3.1 is below the limit of 4' */
  message: string;

  /** @example 2026-11-20T09:00:00.000Z */
  at: string;

  /**
   * When the same state was last seen; it makes no second notification.
   * @example 2026-11-20T09:05:00.000Z
   */
  lastSeenAt: string;

  /** When somebody said that they have seen it. */
  acknowledgedAt: string | null;

  /** When the system was found well again. */
  resolvedAt: string | null;

  classification: Classification;

  deliveries: Delivery[];
}

export class SystemClassification extends Classification {
  /** The notification that it made, or that stands for the same state already; null below a warning. */
  notification: Notification | null;
}

export class NotificationList {
  notifications: Notification[];
}

export class CreateWebhook {
  /** @example farm-phone */
  @IsSlug()
  id: string;

  /**
   * http or https; never a private address, unless the operator of this service allows it.
   * @example https://phone.example/aquaponia
   */
  @IsUrl({ protocols: ['http', 'https'], require_protocol: true, require_tld: false, disallow_auth: true })
  url: string;

  /**
   * Only for the notifications of one system.
   * @example greenhouse
   */
  @IsOptional()
  @IsSlug()
  systemId?: string;
}

export class Webhook {
  /** @example farm-phone */
  id: string;

  /** @example https://phone.example/aquaponia */
  url: string;

  /** @example greenhouse */
  systemId: string | null;

  /** @example 2026-11-20T09:00:00.000Z */
  createdAt: string;
}

export class CreatedWebhook extends Webhook {
  /**
   * Signs each delivery as Standard Webhooks describes it: `webhook-signature: v1,<base64 of HMAC-SHA-256 of
   * "<webhook-id>.<webhook-timestamp>.<body>">`, with the bytes that follow `whsec_` in base64 as its key. Shown this
   * once.
   * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
   */
  secret: string;
}

export class WebhookList {
  webhooks: Webhook[];
}
