import { type ArgumentMetadata, Injectable, type ValidationError, ValidationPipe } from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';

import { CheckedClass } from './checked-class.js';
import { type FieldProblem, type Problem, REQUEST_INVALID } from './problem.js';

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

export function refuseFields(errors: FieldProblem[]): Problem {
  const detail = errors.length === 1 ? (errors[0]?.message ?? '') : `${errors.length} fields are wrong`;
  return REQUEST_INVALID.happened({ detail, errors });
}

/** Requests carry what a route describes, and nothing else. */
@Injectable()
export class RequestValidationPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      validationError: { target: false, value: false },
      exceptionFactory: (found) => refuseFields(fieldProblems(found)),
    });
  }

  /**
   * A body in order takes the short way; whatever is not comes back here for the words. No body is one without
   * members: what has a default keeps it, and what is missing is named.
   */
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { type, metatype } = metadata;
    if (type !== 'body' || !metatype || !this.toValidate(metadata)) return super.transform(value, metadata);
    const checked = CheckedClass.of(metatype as ClassConstructor<object>);
    const body = value ?? {};
    if (checked.accepts(body)) return checked.instantiate(body);
    await super.transform(body, metadata).catch(tooDeep);
    // class-validator has no words for a nested object that is missing or a list, nor for members named like built-ins.
    throw REQUEST_INVALID.happened('An object is missing, is a list, or has a member of a reserved name');
  }
}

/** class-transformer follows nesting by recursion, and whoever sends enough of it overflows the stack. */
function tooDeep(error: unknown): never {
  throw error instanceof RangeError ? REQUEST_INVALID.happened('The body is nested too deeply') : error;
}
