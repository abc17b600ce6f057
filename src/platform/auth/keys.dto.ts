import { IsIn, IsOptional } from 'class-validator';

import { IsSlug } from '../http/slug.js';
import { type Role, ROLES } from './access.js';

export class CreateKey {
  /**
   * A name of your choice, by which the key is listed and revoked.
   * @example greenhouse-esp32
   */
  @IsSlug()
  id: string;

  /**
   * device: post readings and photos, fetch and acknowledge commands, of one system; operator: everything but keys;
   * admin: everything.
   * @example device
   */
  @IsIn(ROLES)
  role: Role;

  /**
   * The system that a device key is bound to; only for the role device.
   * @example greenhouse
   */
  @IsOptional()
  @IsSlug()
  systemId?: string;

  /**
   * The device of that system which alone uses the key: the system then knows when it is heard.
   * @example water
   */
  @IsOptional()
  @IsSlug()
  deviceId?: string;
}

export class Key {
  /** @example greenhouse-esp32 */
  id: string;

  /** @example device */
  role: Role;

  /**
   * The system that a device key is bound to.
   * @example greenhouse
   */
  systemId: string | null;

  /**
   * The device whose own it is.
   * @example water
   */
  deviceId: string | null;

  /** @example 2026-11-21T09:00:00.000Z */
  createdAt: string;
}

export class CreatedKey extends Key {
  /**
   * Shown this once; only a hash is kept.
   * @example aq_Zk1mM0xhV2dQd0RkT1B6cVJ5c1R1VndYeVowMTIzNDU
   */
  secret: string;
}

export class KeyList {
  keys: Key[];
}
