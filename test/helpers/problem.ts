import { expect } from '@jest/globals';

import type { Answer } from './server.ts';

/** An answer is problem details as every route gives them. */
export function expectProblem(answer: Answer, status: number, code: string): void {
  // All at once, so that a failing test shows what came instead.
  expect({
    status: answer.status,
    mediaType: answer.headers.get('content-type')?.split(';')[0],
    body: answer.body as unknown,
  }).toEqual({
    status,
    mediaType: 'application/problem+json',
    body: expect.objectContaining({
      type: `urn:aquaponia:problem:${code}`,
      title: expect.any(String),
      status,
      code,
      detail: expect.any(String),
      requestId: answer.headers.get('x-request-id'),
    }),
  });
}
