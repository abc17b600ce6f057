/** What is wrong with one field of a request. */
export class FieldProblem {
  /**
   * Where it stands in the request.
   * @example readings.0.value
   */
  field: string;

  /**
   * Which rule it broke.
   * @example isNumber
   */
  code: string;

  /**
   * The rule in words, with the limit.
   * @example 'value must be a number'
   */
  message: string;
}

/** An error, as RFC 9457 describes it (`application/problem+json`). */
export class ProblemDetails {
  /**
   * Names the kind of problem; the same as `code`, as a URI.
   * @example urn:aquaponia:problem:REQUEST.INVALID
   */
  type: string;

  /**
   * The kind of problem in words.
   * @example 'The request does not have the form that this route describes'
   */
  title: string;

  /**
   * The HTTP status.
   * @example 400
   */
  status: number;

  /**
   * Stable; meant for programs.
   * @example REQUEST.INVALID
   */
  code: string;

  /**
   * What happened this time.
   * @example '1 field is wrong'
   */
  detail: string;

  /**
   * Quote it when you ask for help: it stands in the log too.
   * @example 0199f7a2-6f1c-7d3e-9b65-0c6d2a5f0d11
   */
  requestId?: string;

  /** The fields at fault, where the problem is in some. */
  errors?: FieldProblem[];
}

interface Occurrence {
  detail?: string;
  errors?: FieldProblem[];
  headers?: Record<string, string>;
  /** Members beyond RFC 9457's, such as the results of each item of a batch. */
  extra?: Record<string, unknown>;
  cause?: unknown;
}

/**
 * A kind of problem that a route can answer with: thrown by code, listed by Swagger. Where it has members of its own,
 * it names the class that describes them, and an example with them.
 */
export class ProblemType {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly shape: new () => ProblemDetails = ProblemDetails,
    readonly example: Occurrence = {},
  ) {}

  happened(occurrence: Occurrence | string = {}): Problem {
    return new Problem(this, typeof occurrence === 'string' ? { detail: occurrence } : occurrence);
  }

  details(occurrence: Occurrence = {}): ProblemDetails {
    return {
      type: `urn:aquaponia:problem:${this.code}`,
      title: this.title,
      status: this.status,
      code: this.code,
      detail: occurrence.detail ?? this.title,
      ...(occurrence.errors && { errors: occurrence.errors }),
      ...occurrence.extra,
    };
  }
}

export class Problem extends Error {
  constructor(
    readonly type: ProblemType,
    readonly occurrence: Occurrence,
  ) {
    super(`${type.code}: ${occurrence.detail ?? type.title}`, { cause: occurrence.cause });
  }
}

export const REQUEST_INVALID = new ProblemType(
  'REQUEST.INVALID',
  400,
  'The request does not have the form that this route describes',
);
export const REQUEST_ABORTED = new ProblemType(
  'REQUEST.ABORTED',
  400,
  'The request ended before its body did',
);
export const REQUEST_MALFORMED = new ProblemType(
  'REQUEST.MALFORMED',
  400,
  'What was sent is no HTTP request',
);
export const REQUEST_TIMEOUT = new ProblemType(
  'REQUEST.TIMEOUT',
  408,
  'The request did not arrive whole in time',
);
export const HEADERS_TOO_LARGE = new ProblemType(
  'REQUEST.HEADERS_TOO_LARGE',
  431,
  'The headers are larger than 16 KiB',
);
export const BODY_NOT_JSON = new ProblemType('BODY.NOT_JSON', 400, 'The body is not JSON');
export const BODY_NOT_UTF8 = new ProblemType('BODY.NOT_UTF8', 400, 'The body is not UTF-8');
export const BODY_UNREADABLE = new ProblemType('BODY.UNREADABLE', 400, 'The body cannot be decompressed');
export const BODY_ENCODING = new ProblemType(
  'BODY.ENCODING',
  415,
  'The body is compressed in a way that this route does not take: gzip and deflate are taken',
);
export const BODY_TOO_LARGE = new ProblemType(
  'BODY.TOO_LARGE',
  413,
  'The body is larger than this route takes',
);
export const BODIES_TOO_MANY = new ProblemType(
  'BODY.TOO_MANY',
  503,
  'Too many large bodies are under way at once',
);
export const BODY_MEDIA_TYPE = new ProblemType(
  'BODY.MEDIA_TYPE',
  415,
  'The body is of a media type that this route does not take',
);
export const ROUTE_NOT_FOUND = new ProblemType('ROUTE.NOT_FOUND', 404, 'There is no such route');
export const KEY_MISSING = new ProblemType(
  'KEY.MISSING',
  401,
  'This route needs a key: Authorization: Bearer KEY',
);
export const KEY_INVALID = new ProblemType('KEY.INVALID', 401, 'The key is not known, or was revoked');
export const KEY_FORBIDDEN = new ProblemType('KEY.FORBIDDEN', 403, 'The key does not allow this');
export const INTERNAL_ERROR = new ProblemType('INTERNAL.ERROR', 500, 'Something is wrong on our side');
