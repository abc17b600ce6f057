import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { ROUTE_ARGS_METADATA, RouteParamtypes } from '@nestjs/common/internal';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import { ACCESS, type Access } from '../auth/access.js';
import { type FieldProblem, REQUEST_INVALID } from './problem.js';
import { refuseFields } from './validation.pipe.js';

interface Takes {
  body: boolean;
  query: boolean;
}

/**
 * A route that takes no body or no query refuses one with members, as one that takes some refuses those it does not
 * know. Pipes see only what a route takes. Public routes let pass what scrapers and load balancers add.
 */
@Injectable()
export class UnexpectedGuard implements CanActivate {
  private readonly known = new WeakMap<object, Takes>();

  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    if (this.reflector.get<Access | undefined>(ACCESS, context.getHandler()) === 'public') return true;
    const { body, query } = context.switchToHttp().getRequest<FastifyRequest>();
    const takes = this.whatIsTaken(context);
    const unexpected = [
      ...(takes.query ? [] : Object.keys(query as object)),
      ...(takes.body ? [] : membersOf(body)),
    ];
    if (unexpected.length > 0) throw refuseFields(unexpected.map(asProblem));
    return true;
  }

  private whatIsTaken(context: ExecutionContext): Takes {
    const handler = context.getHandler();
    let takes = this.known.get(handler);
    if (!takes) {
      // Nest keys them by `kind:position`.
      const parameters: unknown = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), handler.name);
      const keys = Object.keys(parameters ?? {});
      const has = (kind: RouteParamtypes): boolean => keys.some((key) => key.startsWith(`${kind}:`));
      takes = { body: has(RouteParamtypes.BODY), query: has(RouteParamtypes.QUERY) };
      this.known.set(handler, takes);
    }
    return takes;
  }
}

/** @throws REQUEST_INVALID of a body that has no members to name: a photo, a list, a word. */
function membersOf(body: unknown): string[] {
  if (body === undefined || body === null) return [];
  if (typeof body === 'object' && !Array.isArray(body) && !Buffer.isBuffer(body)) return Object.keys(body);
  throw REQUEST_INVALID.happened('This route takes no body');
}

/** In the words of class-validator. */
const asProblem = (field: string): FieldProblem => ({
  field,
  code: 'whitelistValidation',
  message: `property ${field} should not exist`,
});
