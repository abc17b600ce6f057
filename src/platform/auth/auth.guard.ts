import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import { KEY_FORBIDDEN, KEY_INVALID, KEY_MISSING } from '../http/problem.js';
import { ACCESS, type Access, ROLES, SYSTEM_IN_QUERY } from './access.js';
import { type KeyHolder, KeysService } from './keys.service.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; absent on public routes. */
    keyHolder?: KeyHolder;
  }
  interface FastifyContextConfig {
    /** The key may also come as the password, in `Authorization: Basic` or as `p` in the query. */
    keyMayBePassword?: boolean;
  }
}

@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly keys: KeysService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.get<Access | undefined>(ACCESS, context.getHandler());
    if (access === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const holder = (request.keyHolder ??= await identifyHolder(request, this.keys));
    if (!access || ROLES.indexOf(holder.role) < ROLES.indexOf(access)) {
      throw KEY_FORBIDDEN.happened(
        `This route needs the role ${access ?? 'of nobody'}; the key has ${holder.role}`,
      );
    }
    const inQuery = this.reflector.get<string | undefined>(SYSTEM_IN_QUERY, context.getHandler());
    const systemId = inQuery
      ? (request.query as Record<string, unknown>)[inQuery]
      : (request.params as { systemId?: string }).systemId;
    if (holder.role === 'device' && holder.systemId !== systemId) {
      throw KEY_FORBIDDEN.happened('A device key reaches only its own system');
    }
    return true;
  }
}

/** @throws KEY_MISSING, KEY_INVALID */
export async function identifyHolder(request: FastifyRequest, keys: KeysService): Promise<KeyHolder> {
  const secret = secretOf(request);
  if (!secret) throw KEY_MISSING.happened({ headers: { 'www-authenticate': 'Bearer' } });
  const holder = await keys.identify(secret);
  if (!holder) {
    throw KEY_INVALID.happened({ headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
  }
  return holder;
}

/** `Token` is how clients of InfluxDB say `Bearer`. */
function secretOf({ headers, query, routeOptions }: FastifyRequest): string | undefined {
  const [scheme, secret] = headers.authorization?.split(' ') ?? [];
  const named = scheme?.toLowerCase();
  if (named === 'bearer' || named === 'token') return secret;
  if (!routeOptions.config.keyMayBePassword) return undefined;
  if (named === 'basic') return /:(.*)$/s.exec(Buffer.from(secret ?? '', 'base64').toString())?.[1];
  const { p } = query as { p?: unknown };
  return typeof p === 'string' ? p : undefined;
}
