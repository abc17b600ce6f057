import { applyDecorators } from '@nestjs/common';
import { Matches } from 'class-validator';

/** Names that people give to things and that stand in addresses and topics. */
export const SLUG = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const IsSlug = (): PropertyDecorator =>
  applyDecorators(
    Matches(SLUG, {
      message:
        '$property must have 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen',
    }),
  );
