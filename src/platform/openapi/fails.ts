import { ApiResponse, getSchemaPath } from '@nestjs/swagger';

import { ProblemDetails, type ProblemType } from '../http/problem.js';

const PROBLEMS = 'problems';

/** One response object of OpenAPI for the problems that share a status, each with its example. */
export function problemResponse(types: ProblemType[]): object {
  return {
    description: types.map((type) => `\`${type.code}\`: ${type.title}`).join('\n\n'),
    content: {
      'application/problem+json': {
        schema: { $ref: getSchemaPath(ProblemDetails) },
        examples: Object.fromEntries(types.map((type) => [type.code, { value: type.details() }])),
      },
    },
  };
}

/** The problems that a route can answer with, besides those that every route shares; for Swagger. */
export const Fails =
  (...types: ProblemType[]): MethodDecorator =>
  (target, property, descriptor) => {
    const handler = descriptor.value as object;
    const earlier = (Reflect.getMetadata(PROBLEMS, handler) as ProblemType[] | undefined) ?? [];
    const all = [...new Set([...earlier, ...types])];
    Reflect.defineMetadata(PROBLEMS, all, handler);
    for (const status of new Set(types.map((type) => type.status))) {
      const response = problemResponse(all.filter((type) => type.status === status));
      ApiResponse({ status, ...response })(target, property, descriptor);
    }
  };
