import {
  applyDecorators,
  Body,
  Controller,
  Get,
  Header,
  HttpCode,
  Post,
  Query,
  Req,
  Res,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiBody,
  ApiConsumes,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiQuery,
  ApiServiceUnavailableResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify';

import { AllowedFrom, Public, SystemInQuery } from '../../platform/auth/access.js';
import { HealthRegistry } from '../../platform/health/health.registry.js';
import { TEXT } from '../../platform/http/bodies.js';
import { BODY_TOO_LARGE, Problem, ProblemType, REQUEST_INVALID } from '../../platform/http/problem.js';
import { Fails } from '../../platform/openapi/fails.js';
import { SYSTEM_NOT_FOUND, SystemsService } from '../../systems/systems.service.js';
import { MAX_BATCH, type ReadingsStored } from '../readings.dto.js';
import { DEVICE_TOO_FAST, Intake, TakesReadings } from './intake.js';
import { type ParsedLines, parseLines, type Precision, PRECISIONS } from './line-protocol.js';
import { InfluxHealth, LinesRefused, type LineRefusal } from './line-protocol.dto.js';

const MOST_LISTED = 100;

const LINES_EXAMPLE = {
  message: '1 of 3 readings was refused: line 3: the system has no such sensor',
  error: 'partial write: 1 of 3 readings was refused: line 3: the system has no such sensor',
  line: 3,
  stored: 2,
  duplicates: 0,
  refused: 1,
  lines: [{ line: 3, code: 'SENSOR.NOT_FOUND', field: 'sensor', message: 'the system has no such sensor' }],
};
export const LINES_REFUSED = new ProblemType(
  'LINES.REFUSED',
  400,
  'Some of the readings could not be taken; all others are stored',
  LinesRefused,
  { detail: LINES_EXAMPLE.message, extra: LINES_EXAMPLE },
);
/** Telegraf's output for InfluxDB 1 throws away what is answered with any status from 400 to 499. */
const DEVICE_TOO_FAST_V1 = new ProblemType(DEVICE_TOO_FAST.code, 503, DEVICE_TOO_FAST.title);

const V1_PRECISIONS: Record<string, Precision> = { n: 'ns', ns: 'ns', u: 'us', ms: 'ms', s: 's' };
const V2_PRECISIONS = Object.fromEntries(PRECISIONS.map((each) => [each, each]));

const TakesLines = (example: string): MethodDecorator =>
  applyDecorators(
    AllowedFrom('device'),
    TakesReadings(),
    ApiConsumes(TEXT),
    ApiBody({ schema: { type: 'string', example } }),
    ApiNoContentResponse({ description: 'Everything is on the disk' }),
    Fails(REQUEST_INVALID, SYSTEM_NOT_FOUND, BODY_TOO_LARGE, LINES_REFUSED),
  );

/** What Telegraf and other writers of InfluxDB expect to find, at the addresses where they look. */
@ApiTags('readings')
@Controller({ version: VERSION_NEUTRAL })
export class LineProtocolController {
  constructor(
    private readonly systems: SystemsService,
    private readonly intake: Intake,
    private readonly health: HealthRegistry,
  ) {}

  /**
   * Post readings as InfluxDB's line protocol.
   * @remarks The bucket is the system. The sensor of the field `value` is what the tag `sensor` says, or else the
   * measurement; any other numeric field is named by its key. Every line that can be taken is stored; of the others
   * the 400 tells their numbers. The key may come as `Authorization: Token KEY`, the body as gzip.
   */
  @Post('api/v2/write')
  @HttpCode(204)
  @RouteConfig({ bodyIs: TEXT } satisfies FastifyContextConfig)
  @SystemInQuery('bucket')
  @TakesLines('water-temperature value=26.1\nprobe,sensor=ph value=6.9\nwater electrical_conductivity=1450')
  @ApiQuery({ name: 'bucket', example: 'greenhouse', description: 'The system', type: String })
  @ApiQuery({ name: 'org', required: false, description: 'Not looked at', type: String })
  @ApiQuery({
    name: 'precision',
    required: false,
    enum: PRECISIONS,
    description: 'Of timestamps; ns where it is left out',
  })
  async write(
    @Req() request: FastifyRequest,
    @Query() query: Record<string, unknown>,
    @Body() body: unknown,
  ): Promise<void> {
    const precision = precisionOf(query.precision, V2_PRECISIONS);
    await this.store(request, systemOf(query, 'bucket'), precision, body);
  }

  /**
   * Post line protocol as to InfluxDB 1.
   * @remarks For older writers: the database is the system, and the key may also come as the password, in
   * `Authorization: Basic` or as `p` in the query. All else as in /api/v2/write; but a device that sends too much is
   * told by 503, since such writers throw away what is answered with 429.
   */
  @Post('write')
  @HttpCode(204)
  @RouteConfig({ bodyIs: TEXT, keyMayBePassword: true } satisfies FastifyContextConfig)
  @SystemInQuery('db')
  @TakesLines('water-temperature value=26.2')
  @Fails(DEVICE_TOO_FAST_V1)
  @ApiQuery({ name: 'db', example: 'greenhouse', description: 'The system', type: String })
  @ApiQuery({ name: 'u', required: false, description: 'Not looked at', type: String })
  @ApiQuery({ name: 'p', required: false, description: 'The key', type: String })
  @ApiQuery({
    name: 'precision',
    required: false,
    enum: Object.keys(V1_PRECISIONS),
    description: 'Of timestamps; ns where it is left out',
  })
  async writeAsV1(
    @Req() request: FastifyRequest,
    @Query() query: Record<string, unknown>,
    @Body() body: unknown,
  ): Promise<void> {
    const precision = precisionOf(query.precision, V1_PRECISIONS);
    await this.store(request, systemOf(query, 'db'), precision, body).catch((error: unknown) => {
      const isTooFast = error instanceof Problem && error.type === DEVICE_TOO_FAST;
      throw isTooFast ? DEVICE_TOO_FAST_V1.happened(error.occurrence) : error;
    });
  }

  /** There is somebody here: what clients of InfluxDB ask first. */
  @Get('ping')
  @Public()
  @HttpCode(204)
  @Header('x-influxdb-version', 'aquaponia')
  @ApiNoContentResponse({ description: 'There is' })
  ping(): void {
    // The status says it all.
  }

  /** Whether readings can be written, in the words of InfluxDB 2; /health/ready says more. */
  @Get('health')
  @Public()
  @ApiOkResponse({ type: InfluxHealth })
  @ApiServiceUnavailableResponse({ type: InfluxHealth, description: 'A part is not ready' })
  async healthAsInflux(@Res({ passthrough: true }) reply: FastifyReply): Promise<InfluxHealth> {
    const parts = Object.values(await this.health.report());
    const isReady = parts.every(({ ready }) => ready);
    if (!isReady) void reply.status(503);
    return {
      name: 'aquaponia',
      status: isReady ? 'pass' : 'fail',
      message: isReady ? 'ready for writes' : 'a part is not ready: see /health/ready',
    };
  }

  private async store(
    request: FastifyRequest,
    systemId: string,
    precision: Precision,
    body: unknown,
  ): Promise<void> {
    if (typeof body !== 'string' || body === '') throw REQUEST_INVALID.happened('The body has no line');
    const { sensors } = await this.systems.ingestView(systemId);
    const parsed = parseLines(body, precision, sensors, MAX_BATCH);
    if (parsed.isTooMuch) throw BODY_TOO_LARGE.happened(`The body has more than ${MAX_BATCH} readings`);
    const stored = await this.intake.take(request, {
      systemId,
      readings: parsed.items.length,
      content: `${precision}\n${body}`,
      itemsAt: () => parsed.items,
    });
    if (stored.refused > 0) throw refusalOf(stored, parsed);
  }
}

function systemOf(query: Record<string, unknown>, name: string): string {
  const systemId = query[name];
  if (typeof systemId === 'string' && systemId !== '') return systemId;
  throw invalid(name, `${name} must name the system`);
}

function precisionOf(given: unknown, known: Record<string, Precision>): Precision {
  if (given === undefined) return 'ns';
  if (typeof given === 'string' && Object.hasOwn(known, given)) return known[given]!;
  throw invalid('precision', `precision must be one of ${Object.keys(known).join(', ')}`);
}

const invalid = (field: string, message: string): Problem =>
  REQUEST_INVALID.happened({ detail: message, errors: [{ field, code: 'isIn', message }] });

function refusalOf(
  { stored, duplicates, refused, results }: ReadingsStored,
  { lines }: ParsedLines,
): Problem {
  const listed: LineRefusal[] = [];
  for (const [index, { error }] of results.entries()) {
    if (!error || listed.length === MOST_LISTED) continue;
    listed.push({ line: lines[index]!, code: error.code, field: error.field, message: error.message });
  }
  const [first] = listed;
  const message = `${refused} of ${results.length} readings ${refused === 1 ? 'was' : 'were'} refused: line ${first!.line}: ${first!.message}`;
  return LINES_REFUSED.happened({
    detail: message,
    extra: {
      message,
      error: `partial write: ${message}`,
      line: first!.line,
      stored,
      duplicates,
      refused,
      lines: listed,
    },
  });
}
