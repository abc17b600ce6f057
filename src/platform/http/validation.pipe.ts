import { type ArgumentMetadata, Injectable, type ValidationError, ValidationPipe } from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';

import { CheckedClass } from './checked-class.js';
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
@Injectable()
export class RequestValidationPipe extends ValidationPipe {
  constructor() {
    super({
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
  }

  /** A body in order takes the short way; whatever is not comes back here for the words. */
  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { type, metatype } = metadata;
    if (type === 'body' && metatype && this.toValidate(metadata)) {
      const checked = CheckedClass.of(metatype as ClassConstructor<object>);
      if (checked.accepts(value)) return Promise.resolve(checked.instantiate(value));
    }
    return super.transform(value, metadata) as Promise<unknown>;
  }
}
