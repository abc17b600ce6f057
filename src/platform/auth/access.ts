import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';

import { KEY_FORBIDDEN, KEY_INVALID, KEY_MISSING } from '../http/problem.js';
import { Fails } from '../openapi/fails.js';

/** Each role may do what the one before it may. */
export const ROLES = ['device', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export const ACCESS = 'access';
export type Access = 'public' | Role;

export const SYSTEM_IN_QUERY = 'system-in-query';

/** Anyone may call it: used for health, metrics and documentation alone. */
export const Public = (): MethodDecorator => SetMetadata(ACCESS, 'public' satisfies Access);

/**
 * The least role that may call it. A route that says neither this nor `Public` is closed to everyone.
 * A device key reaches only routes of its own system (`:systemId` in the path).
 */
export const AllowedFrom = (role: Role): MethodDecorator =>
  applyDecorators(SetMetadata(ACCESS, role), ApiBearerAuth(), Fails(KEY_MISSING, KEY_INVALID, KEY_FORBIDDEN));

/** On a route whose path names no system: the member of its query that does, so that a device key keeps to its own. */
export const SystemInQuery = (name: string): MethodDecorator => SetMetadata(SYSTEM_IN_QUERY, name);
