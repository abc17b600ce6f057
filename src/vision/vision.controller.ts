import {
  applyDecorators,
  Body,
  Controller,
  Get,
  Header,
  Param,
  ParseIntPipe,
  Post,
  Query,
  StreamableFile,
} from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiParam, ApiProduces, ApiTags } from '@nestjs/swagger';

import { SCRIPT_PROBLEMS } from '../brain/brain.problems.js';
import { AllowedFrom } from '../platform/auth/access.js';
import { PageQuery } from '../platform/http/page.js';
import {
  BODIES_TOO_MANY,
  BODY_MEDIA_TYPE,
  BODY_TOO_LARGE,
  REQUEST_INVALID,
} from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { READINGS_REFUSED } from '../readings/ingest.service.js';
import { InSystem } from '../systems/systems.controller.js';
import { IMAGE_TOO_LARGE, IMAGE_TOO_SMALL, IMAGE_TYPES, IMAGE_UNREADABLE } from './image.js';
import { Analysis, AnalysisList, PhotoQuery } from './vision.dto.js';
import { OVERLAY_NOT_FOUND, VisionService } from './vision.service.js';

/** The photo is the body, as it is: what a camera board sends with least code, and `curl --data-binary` too. */
const TakesPhoto = (): MethodDecorator =>
  applyDecorators(
    ApiConsumes(...IMAGE_TYPES),
    ApiBody({
      schema: { type: 'string', format: 'binary' },
      description: 'The photo itself: JPEG, PNG or WebP',
    }),
    Fails(
      REQUEST_INVALID,
      BODY_TOO_LARGE,
      BODIES_TOO_MANY,
      BODY_MEDIA_TYPE,
      IMAGE_UNREADABLE,
      IMAGE_TOO_LARGE,
      IMAGE_TOO_SMALL,
      ...SCRIPT_PROBLEMS,
    ),
  );

@ApiTags('vision')
@Controller()
export class VisionController {
  constructor(private readonly vision: VisionService) {}

  /** Look at a photo of plants: how much, how green, how yellow, how brown. */
  @Post('analyses')
  @AllowedFrom('operator')
  @TakesPhoto()
  analyse(@Body() photo: Buffer): Promise<Analysis> {
    return this.vision.analyse(photo, null);
  }

  /** The photo with its plants outlined, yellow and brown tissue marked. */
  @Get('analyses/:analysisId/overlay')
  @AllowedFrom('operator')
  @Header('content-type', 'image/jpeg')
  @ApiParam({ name: 'analysisId', example: 1, type: Number })
  @ApiProduces('image/jpeg')
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  @Fails(REQUEST_INVALID, OVERLAY_NOT_FOUND)
  async overlay(@Param('analysisId', ParseIntPipe) analysisId: number): Promise<StreamableFile> {
    return new StreamableFile(await this.vision.overlay(analysisId), { type: 'image/jpeg' });
  }

  /** Look at a photo of a system's plants, and store what is seen as readings. */
  @Post('systems/:systemId/analyses')
  @AllowedFrom('device')
  @InSystem()
  @TakesPhoto()
  @Fails(READINGS_REFUSED)
  analyseFor(
    @Param('systemId') systemId: string,
    @Query() query: PhotoQuery,
    @Body() photo: Buffer,
  ): Promise<Analysis> {
    return this.vision.analyse(photo, systemId, query.observedAt);
  }

  /** The analyses of a system, newest first. */
  @Get('systems/:systemId/analyses')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID)
  async list(@Param('systemId') systemId: string, @Query() page: PageQuery): Promise<AnalysisList> {
    return { analyses: await this.vision.list(systemId, page) };
  }
}
