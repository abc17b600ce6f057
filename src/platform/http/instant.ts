import { ValidateBy } from 'class-validator';

const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since 1970 of an ISO 8601 time with Z or an offset; NaN of anything else. */
export function parseInstant(text: unknown): number {
  return typeof text === 'string' && ISO_TIME.test(text) && isDay(text.slice(0, 10)) ? Date.parse(text) : NaN;
}

/** `Date` takes the 30th of February for the 1st of March. */
function isDay(date: string): boolean {
  const day = Number(date.slice(-2));
  return (day > 0 && day <= 28) || new Date(date).getUTCDate() === day;
}

export const IsInstant = (): PropertyDecorator =>
  ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (text: unknown) => !Number.isNaN(parseInstant(text)),
      defaultMessage: () => '$property must be an ISO 8601 time with Z or an offset',
    },
  });
