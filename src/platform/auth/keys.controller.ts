import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';

import { REQUEST_INVALID } from '../http/problem.js';
import { Fails } from '../openapi/fails.js';
import { AllowedFrom } from './access.js';
import { CreatedKey, CreateKey, KeyList } from './keys.dto.js';
import { KEY_NOT_FOUND, KEY_SYSTEM, KEY_TAKEN, KeysService, LAST_ADMIN_KEY } from './keys.service.js';

@ApiTags('keys')
@Controller('keys')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  /** Make a key; its secret is in this answer and nowhere else. */
  @Post()
  @AllowedFrom('admin')
  @Fails(REQUEST_INVALID, KEY_SYSTEM, KEY_TAKEN)
  create(@Body() body: CreateKey): Promise<CreatedKey> {
    return this.keys.create(body);
  }

  /** All keys, without their secrets. */
  @Get()
  @AllowedFrom('admin')
  async list(): Promise<KeyList> {
    return { keys: await this.keys.list() };
  }

  /** Revoke a key, at once. */
  @Delete(':keyId')
  @HttpCode(204)
  @AllowedFrom('admin')
  @Fails(KEY_NOT_FOUND, LAST_ADMIN_KEY)
  @ApiParam({ name: 'keyId', example: 'greenhouse-esp32' })
  revoke(@Param('keyId') keyId: string): Promise<void> {
    return this.keys.revoke(keyId);
  }
}
