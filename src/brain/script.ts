import type { ClassConstructor } from 'class-transformer';

/**
 * A Python script as the room that uses it sees it: its module in `python/aquaponia`, and the class of its reply,
 * which is checked against it and is the one that Swagger shows.
 */
export interface Script<Request extends object, Reply extends object> {
  name: string;
  reply: ClassConstructor<Reply>;
  /** Never present; ties the request's type to the script. */
  request?: Request;
}
