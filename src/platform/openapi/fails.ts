import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';

import type { ProblemType } from '../http/problem.js';

const PROBLEMS = 'problems';
const PROBLEM_JSON = 'application/problem+json';

interface Reference {
  $ref: string;
}

/** A response object of OpenAPI for problems of one status. */
interface ProblemResponse {
  description: string;
  content: {
    [PROBLEM_JSON]: {
      schema: Reference | { anyOf: Reference[] };
      examples: Record<string, { value: object }>;
    };
  };
}

function responseOf(type: ProblemType): ProblemResponse {
  const schema = { $ref: getSchemaPath(type.shape) };
  const examples = { [type.code]: { value: type.details(type.example) } };
  return {
    description: `\`${type.code}\`: ${type.title}`,
    content: { [PROBLEM_JSON]: { schema, examples } },
  };
}

function joined(first: ProblemResponse, second: ProblemResponse): ProblemResponse {
  const [one, other] = [first.content[PROBLEM_JSON], second.content[PROBLEM_JSON]];
  const references = [one.schema, other.schema].flatMap((schema) =>
    'anyOf' in schema ? schema.anyOf : [schema],
  );
  // Not oneOf: problem details with more members are still problem details.
  const anyOf = [...new Map(references.map((reference) => [reference.$ref, reference])).values()];
  return {
    description: `${first.description}\n\n${second.description}`,
    content: {
      [PROBLEM_JSON]: {
        schema: anyOf.length > 1 ? { anyOf } : anyOf[0]!,
        examples: { ...one.examples, ...other.examples },
      },
    },
  };
}

/** Adds problems to what an operation can answer with already; what is there stays as it is. */
export function addProblems(responses: object, types: ProblemType[]): void {
  const described = responses as Record<number, ProblemResponse>;
  for (const type of types) {
    const there = described[type.status];
    if (there && type.code in there.content[PROBLEM_JSON].examples) continue;
    described[type.status] = there ? joined(there, responseOf(type)) : responseOf(type);
  }
}

function responsesOf(types: ProblemType[]): Record<number, ProblemResponse> {
  const responses: Record<number, ProblemResponse> = {};
  addProblems(responses, types);
  return responses;
}

/** The problems that a route can answer with, besides those that every route shares; for Swagger. */
export const Fails =
  (...types: ProblemType[]): MethodDecorator =>
  (target, property, descriptor) => {
    const handler = descriptor.value as object;
    const earlier = (Reflect.getMetadata(PROBLEMS, handler) as ProblemType[] | undefined) ?? [];
    const added = types.filter((type) => !earlier.includes(type));
    const all = [...earlier, ...added];
    Reflect.defineMetadata(PROBLEMS, all, handler);
    ApiExtraModels(...added.map((type) => type.shape))(target, property, descriptor);
    const responses = responsesOf(all);
    for (const [status, { description }] of Object.entries(responsesOf(added))) {
      // Of what a status has already, Nest joins the description, and replaces all else.
      const { content } = responses[Number(status)]!;
      ApiResponse({ status: Number(status), description, content })(target, property, descriptor);
    }
  };
