import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { Logger } from 'pino';

import { ownHeaders, requestId } from './http.js';
import { answerProblem, asProblem } from './problem.filter.js';
import { HEADERS_TOO_LARGE, type ProblemType, REQUEST_MALFORMED, REQUEST_TIMEOUT } from './problem.js';

/** Node's own refusals, by their code. */
const NODE_PROBLEMS: Record<string, ProblemType> = {
  HPE_HEADER_OVERFLOW: HEADERS_TOO_LARGE,
  ERR_HTTP_REQUEST_TIMEOUT: REQUEST_TIMEOUT,
};

/** What is refused before any hook, guard or filter sees it is answered and logged like everything else. */
export function refuseUnread(
  logger: Logger,
): Required<Pick<FastifyServerOptions, 'frameworkErrors' | 'clientErrorHandler'>> {
  const log = (id: string, { code, status }: ProblemType): void =>
    logger.warn({ requestId: id, code, status }, 'request refused');
  return {
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      const problem = asProblem(error);
      log(request.id, problem.type);
      answerProblem(problem, request, reply.headers(ownHeaders(request.id)));
    },
    clientErrorHandler: (error, socket) => {
      // Nobody is left to answer.
      if (error.code === 'ECONNRESET' || !socket.writable) {
        socket.destroy();
        return;
      }
      const id = requestId({ headers: {} });
      const type = NODE_PROBLEMS[error.code] ?? REQUEST_MALFORMED;
      log(id, type);
      answerRaw(socket, type, id);
    },
  };
}

/** Where there is no request there is no reply to answer with either. */
function answerRaw(socket: Socket, type: ProblemType, id: string): void {
  const body = JSON.stringify({ ...type.details(), requestId: id });
  const headers = {
    ...ownHeaders(id),
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${type.status} ${STATUS_CODES[type.status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}
