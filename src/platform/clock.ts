import { Injectable } from '@nestjs/common';

/** The time of day, in milliseconds since 1970, so that a spec can say what time it is. */
@Injectable()
export class Clock {
  now(): number {
    return Date.now();
  }
}

/** UTC, ISO 8601 with milliseconds. */
export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();
