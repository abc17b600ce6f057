import { ValidationPipe, type ValidationError } from '@nestjs/common';

import { REQUEST_INVALID, type FieldProblem } from './problem.js';

/** One entry for each broken rule, the field named by its whole path. */
export function fieldProblems(errors: ValidationError[], path: string[] = []): FieldProblem[] {
  return errors.flatMap((error) => {
    const here = [...path, error.property];
    const own = Object.entries(error.constraints ?? {}).map(([code, message]) => ({
      field: here.join('.'),
      code,
      message,
    }));
    return [...own, ...fieldProblems(error.children ?? [], here)];
  });
}

/** Requests carry what a route describes, and nothing else. */
export const validationPipe = (): ValidationPipe =>
  new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false, value: false },
    exceptionFactory: (found) => {
      const errors = fieldProblems(found);
      const detail = errors.length === 1 ? (errors[0]?.message ?? '') : `${errors.length} fields are wrong`;
      return REQUEST_INVALID.happened({ detail, errors });
    },
  });
