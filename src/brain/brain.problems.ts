import { ProblemType } from '../platform/http/problem.js';

export const SCRIPT_FAILED = new ProblemType(
  'SCRIPT.FAILED',
  502,
  'The script ended or failed over this request',
);
export const SCRIPT_GARBAGE = new ProblemType('SCRIPT.GARBAGE', 502, 'The script printed what is no reply');
export const SCRIPT_REPLY_INVALID = new ProblemType(
  'SCRIPT.REPLY_INVALID',
  502,
  'The script replied in another shape than it should',
);
export const SCRIPT_REFUSED = new ProblemType(
  'SCRIPT.REFUSED',
  422,
  'The script understood the request and refused it',
);
export const SCRIPT_BUSY = new ProblemType(
  'SCRIPT.BUSY',
  503,
  'Too many requests already wait for this script',
);
export const SCRIPT_UNAVAILABLE = new ProblemType(
  'SCRIPT.UNAVAILABLE',
  503,
  'No process of this script can be started at the moment',
);
export const SCRIPT_DEADLINE = new ProblemType('SCRIPT.DEADLINE', 504, 'The script did not reply in time');

/** For the `Fails` of a route that asks a script. */
export const SCRIPT_PROBLEMS = [
  SCRIPT_FAILED,
  SCRIPT_GARBAGE,
  SCRIPT_REPLY_INVALID,
  SCRIPT_REFUSED,
  SCRIPT_BUSY,
  SCRIPT_UNAVAILABLE,
  SCRIPT_DEADLINE,
];
