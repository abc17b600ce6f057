import { ValidateBy } from 'class-validator';

/** An offset is no time zone: it knows no summer, and databases do not agree on its sign. */
const NAME = /^[A-Za-z][\w+-]*(\/[\w+-]+)*$/;

/** Whether it names a time zone of the IANA database. */
export function isTimeZone(name: unknown): name is string {
  if (typeof name !== 'string' || !NAME.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export const IsTimeZone = (): PropertyDecorator =>
  ValidateBy({
    name: 'isTimeZone',
    validator: {
      validate: isTimeZone,
      defaultMessage: () => '$property must be a time zone of the IANA database, such as Europe/Rome or UTC',
    },
  });
