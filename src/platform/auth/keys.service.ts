import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable, OnModuleInit } from '@nestjs/common';

import { Clock, isoTime } from '../clock.js';
import { CONFIG, type Config } from '../config.js';
import { Events } from '../events.js';
import { ProblemType } from '../http/problem.js';
import type { Role } from './access.js';
import { type KeyRow, KeysRepository } from './keys.repository.js';
import { CreatedKey, CreateKey, Key } from './keys.dto.js';

export const KEY_NOT_FOUND = new ProblemType('KEY.NOT_FOUND', 404, 'There is no such key');
export const KEY_TAKEN = new ProblemType('KEY.TAKEN', 409, 'There is a key of this id already');
export const LAST_ADMIN_KEY = new ProblemType(
  'KEY.LAST_ADMIN',
  409,
  'This is the last admin key: make another first',
);
export const KEY_SYSTEM = new ProblemType(
  'KEY.SYSTEM',
  400,
  'A device key is bound to one system, and may be to a device of it; other keys are bound to nothing',
);

/** What a request's key says of who asks. */
export interface KeyHolder {
  keyId: string;
  role: Role;
  systemId: string | null;
  /** Where the key is one device's own. */
  deviceId: string | null;
}

const FIRST_ADMIN = 'admin';
const HASH_PREFIX_LENGTH = 8;
/** Another replica honours a revocation within this time; this one at once. */
const REMEMBERED_MS = 5_000;
const MOST_REMEMBERED = 1_000;

@Injectable()
export class KeysService implements OnModuleInit {
  /** Holders by the hash of their key, so that a busy device does not cost a query a request. */
  private readonly remembered = new Map<string, { holder: KeyHolder; until: number }>();

  private checkHome: (systemId: string, deviceId: string | null) => Promise<unknown> = () =>
    Promise.resolve();

  constructor(
    private readonly repository: KeysRepository,
    private readonly clock: Clock,
    private readonly events: Events,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async onModuleInit(): Promise<void> {
    const { adminKey } = this.config;
    if (adminKey) await this.repository.put(this.row(FIRST_ADMIN, 'admin', adminKey));
  }

  /** For the very first start, where the environment sets none. @returns the secret, to be shown once. */
  async makeFirstAdminKey(): Promise<string | undefined> {
    const secret = newSecret();
    const isFirst = await this.repository.putFirstAdmin(this.row(FIRST_ADMIN, 'admin', secret));
    return isFirst ? secret : undefined;
  }

  /** Whoever keeps the systems says what there is: a key for a misspelt one would open nothing. */
  recogniseHomesBy(check: (systemId: string, deviceId: string | null) => Promise<unknown>): void {
    this.checkHome = check;
  }

  async identify(secret: string): Promise<KeyHolder | undefined> {
    const hashed = hashOf(secret);
    const now = this.clock.now();
    const known = this.remembered.get(hashed);
    if (known && known.until > now) return known.holder;
    const candidates = await this.repository.findByHashPrefix(hashed.slice(0, HASH_PREFIX_LENGTH));
    const found = candidates.find((key) => timingSafeEqual(Buffer.from(key.hash), Buffer.from(hashed)));
    if (!found) return undefined;
    const holder = {
      keyId: found.id,
      role: found.role,
      systemId: found.system_id,
      deviceId: found.device_id,
    };
    if (this.remembered.size >= MOST_REMEMBERED) this.remembered.clear();
    this.remembered.set(hashed, { holder, until: now + REMEMBERED_MS });
    return holder;
  }

  /** Of all keys that hold: who stays connected for days is looked up here from time to time. */
  async fingerprints(): Promise<Set<string>> {
    return new Set((await this.repository.list()).map((key) => key.hash));
  }

  async create(request: CreateKey): Promise<CreatedKey> {
    const { id, role } = request;
    const systemId = request.systemId ?? null;
    const deviceId = request.deviceId ?? null;
    if ((role === 'device') !== (systemId !== null)) throw KEY_SYSTEM.happened();
    if (deviceId !== null && systemId === null) throw KEY_SYSTEM.happened();
    if (systemId !== null) await this.checkHome(systemId, deviceId);
    const secret = newSecret();
    const row = this.row(id, role, secret, systemId, deviceId);
    if (!(await this.repository.insert(row))) throw KEY_TAKEN.happened(`There is a key "${id}" already`);
    return { ...asKey(row), secret };
  }

  /** A device's own key; the ones that it had are revoked. */
  async replaceForDevice(systemId: string, deviceId: string): Promise<CreatedKey> {
    const secret = newSecret();
    const id = `${deviceId.slice(0, 54)}-${randomBytes(4).toString('hex')}`;
    const row = this.row(id, 'device', secret, systemId, deviceId);
    const replaced = await this.repository.replaceForDevice(row);
    this.forget(replaced);
    return { ...asKey(row), secret };
  }

  async revokeOfDevice(systemId: string, deviceId: string): Promise<void> {
    this.forget(await this.repository.deleteOfDevice(systemId, deviceId));
  }

  async list(): Promise<Key[]> {
    return (await this.repository.list()).map(asKey);
  }

  async revoke(id: string): Promise<void> {
    const removal = await this.repository.remove(id);
    if (removal === 'last-admin') throw LAST_ADMIN_KEY.happened();
    if (removal === 'unknown') throw KEY_NOT_FOUND.happened(`There is no key "${id}"`);
    this.forget([id]);
  }

  private forget(keyIds: string[]): void {
    this.remembered.clear();
    for (const keyId of keyIds) this.events.emit('key.revoked', { keyId });
  }

  private row(
    id: string,
    role: Role,
    secret: string,
    systemId: string | null = null,
    deviceId: string | null = null,
  ): KeyRow {
    const created_at = this.clock.now();
    return { id, role, system_id: systemId, device_id: deviceId, hash: hashOf(secret), created_at };
  }
}

const newSecret = (): string => `aq_${randomBytes(32).toString('base64url')}`;
const hashOf = (secret: string): string => hash('sha256', secret);
export const fingerprintOf = hashOf;
const asKey = (row: KeyRow): Key => ({
  id: row.id,
  role: row.role,
  systemId: row.system_id,
  deviceId: row.device_id,
  createdAt: isoTime(row.created_at),
});
