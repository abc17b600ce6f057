import { Body, Controller, Get, HttpCode, Param, ParseIntPipe, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';

import { SCRIPT_PROBLEMS } from '../brain/brain.problems.js';
import { AllowedFrom } from '../platform/auth/access.js';
import { PageQuery } from '../platform/http/page.js';
import { REQUEST_INVALID } from '../platform/http/problem.js';
import { Fails } from '../platform/openapi/fails.js';
import { InSystem } from '../systems/systems.controller.js';
import { DEVICE_NOT_FOUND } from '../systems/systems.service.js';
import {
  AcknowledgeCommand,
  Command,
  CommandList,
  CommandsQuery,
  Decide,
  Decision,
  DecisionList,
  Evaluate,
} from './control.dto.js';
import {
  COMMAND_ENDED,
  COMMAND_NOT_FOUND,
  ControlService,
  DECISION_NOT_FOUND,
  NO_INPUTS,
} from './control.service.js';
import { FuzzyEvaluation } from './fuzzy-controller.script.js';

@ApiTags('control')
@Controller()
export class ControlController {
  constructor(private readonly control: ControlService) {}

  /** Ask the fuzzy controller what it would do; needs no system, stores nothing, moves nothing. */
  @Post('control/evaluations')
  @HttpCode(200)
  @AllowedFrom('operator')
  @Fails(REQUEST_INVALID, ...SCRIPT_PROBLEMS)
  evaluate(@Body() body: Evaluate): Promise<FuzzyEvaluation> {
    return this.control.evaluate(body);
  }

  /**
   * Decide for a system from its newest good and fresh readings.
   * @remarks The controller proposes, the interlocks dispose, and the decision is stored with its reasons. It listens
   * to the first sensor of each quantity. With `issueCommands`, devices can fetch what follows from it.
   */
  @Post('systems/:systemId/decisions')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID, NO_INPUTS, ...SCRIPT_PROBLEMS)
  decide(@Param('systemId') systemId: string, @Body() body: Decide): Promise<Decision> {
    return this.control.decide(systemId, body);
  }

  /** The decisions of a system, newest first. */
  @Get('systems/:systemId/decisions')
  @AllowedFrom('operator')
  @InSystem()
  @Fails(REQUEST_INVALID)
  async list(@Param('systemId') systemId: string, @Query() page: PageQuery): Promise<DecisionList> {
    return { decisions: await this.control.list(systemId, page) };
  }

  /** One decision: readings, rules, proposal, what was let through. */
  @Get('systems/:systemId/decisions/:decisionId')
  @AllowedFrom('operator')
  @InSystem()
  @ApiParam({ name: 'decisionId', example: 1, type: Number })
  @Fails(REQUEST_INVALID, DECISION_NOT_FOUND)
  find(
    @Param('systemId') systemId: string,
    @Param('decisionId', ParseIntPipe) decisionId: number,
  ): Promise<Decision> {
    return this.control.find(systemId, decisionId);
  }

  /** What a device should do: commands that wait, and have not expired. */
  @Get('systems/:systemId/commands')
  @AllowedFrom('device')
  @InSystem()
  @Fails(REQUEST_INVALID, DEVICE_NOT_FOUND)
  async commands(@Param('systemId') systemId: string, @Query() query: CommandsQuery): Promise<CommandList> {
    return { commands: await this.control.pendingCommands(systemId, query.deviceId) };
  }

  /** A device says what became of a command; the same answer again changes nothing. */
  @Post('systems/:systemId/commands/:commandId/acknowledgement')
  @HttpCode(200)
  @AllowedFrom('device')
  @InSystem()
  @ApiParam({ name: 'commandId', example: 1, type: Number })
  @Fails(REQUEST_INVALID, COMMAND_NOT_FOUND, COMMAND_ENDED)
  acknowledge(
    @Param('systemId') systemId: string,
    @Param('commandId', ParseIntPipe) commandId: number,
    @Body() body: AcknowledgeCommand,
  ): Promise<Command> {
    return this.control.acknowledge(systemId, commandId, body);
  }
}
