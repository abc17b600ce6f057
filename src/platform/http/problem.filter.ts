import { ArgumentsHost, Catch, ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

import { isStoreUnavailable, RETRY_AFTER, STORE_UNAVAILABLE } from '../database/unavailable.js';
import { LOGGER } from '../logging.js';
import {
  BODY_MEDIA_TYPE,
  BODY_NOT_JSON,
  BODY_TOO_LARGE,
  INTERNAL_ERROR,
  Problem,
  ProblemType,
  REQUEST_ABORTED,
  REQUEST_INVALID,
  ROUTE_NOT_FOUND,
} from './problem.js';

/** Fastify's own refusals, by their code. */
const FASTIFY_PROBLEMS: Record<string, ProblemType> = {
  FST_ERR_CTP_BODY_TOO_LARGE: BODY_TOO_LARGE,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: BODY_MEDIA_TYPE,
  FST_ERR_CTP_EMPTY_JSON_BODY: BODY_NOT_JSON,
  FST_ERR_CTP_INVALID_JSON_BODY: BODY_NOT_JSON,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: REQUEST_INVALID,
  FST_ERR_BAD_URL: ROUTE_NOT_FOUND,
  FST_ERR_MAX_PARAM_LENGTH: ROUTE_NOT_FOUND,
};

/** Turns whatever was thrown into problem details; what nobody foresaw is a 500 that tells nothing. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = asProblem(thrown);
    const { status, code } = problem.type;
    if (status >= 500) this.logger.error({ requestId: request.id, code, err: thrown }, 'request failed');
    // Nobody is there to be answered, so that no answer is logged either.
    if (problem.type === REQUEST_ABORTED)
      this.logger.info({ requestId: request.id, code }, 'request given up');
    answerProblem(problem, request, reply);
  }
}

export function answerProblem(
  { type, occurrence }: Problem,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  void reply
    .status(type.status)
    .headers(occurrence.headers ?? {})
    .type('application/problem+json')
    .send({ ...type.details(occurrence), requestId: request.id });
}

export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  if (isStoreUnavailable(thrown)) return STORE_UNAVAILABLE.happened({ headers: RETRY_AFTER, cause: thrown });
  // Nest wraps what Fastify throws before a route is reached, and keeps it as the cause.
  const original = thrown instanceof HttpException ? (thrown.cause ?? thrown) : thrown;
  const { code, message, statusCode } = original as { code?: string; message?: string; statusCode?: number };
  const fastifyProblem = FASTIFY_PROBLEMS[code ?? ''];
  if (fastifyProblem) return fastifyProblem.happened(message);
  // Any connection can be reset; 400 is what Fastify makes of it where it was reading a body.
  if (code === 'ECONNRESET' && statusCode === 400) return REQUEST_ABORTED.happened();
  if (thrown instanceof HttpException) {
    const status = thrown.getStatus();
    if (status === 404) return ROUTE_NOT_FOUND.happened(thrown.message);
    if (status === 413) return BODY_TOO_LARGE.happened(thrown.message);
    if (status === 415) return BODY_MEDIA_TYPE.happened(thrown.message);
    if (status < 500) return REQUEST_INVALID.happened(thrown.message);
  }
  if (thrown instanceof SyntaxError && (thrown as { statusCode?: number }).statusCode === 400) {
    return BODY_NOT_JSON.happened(thrown.message);
  }
  return INTERNAL_ERROR.happened({ cause: thrown });
}
