import { Injectable } from '@nestjs/common';

import { KeysService } from '../platform/auth/keys.service.js';
import { Clock, isoTime } from '../platform/clock.js';
import { ProblemType } from '../platform/http/problem.js';
import { Mqtt } from '../platform/mqtt/mqtt.js';
import { Attempts } from './attempts.js';
import { hashOfCode, isSameHash, newClaimCode } from './claim-codes.js';
import type { ClaimCode, ClaimedDevice, MqttSettings } from './devices.dto.js';
import { DevicesRepository } from './devices.repository.js';
import { SystemsService } from './systems.service.js';
import { topicPrefix } from './topics.js';

export const CLAIM_NOT_FOUND = new ProblemType(
  'CLAIM.NOT_FOUND',
  404,
  'The code is wrong, was used, or has expired',
);
export const CLAIM_TOO_MANY = new ProblemType('CLAIM.TOO_MANY', 429, 'Too many codes were tried: wait');

const VALID_MS = 3_600_000;
const HASH_PREFIX_LENGTH = 8;
/** Of one address: a person who mistypes, not a program that guesses. */
const OF_ONE = { atOnce: 10, pauseMs: 60_000 };
/** Of all addresses together: 3,600 guesses while a code lives, of 2^40. */
const OF_ALL = { atOnce: 60, pauseMs: 1_000 };
const ALL = '';

/** How a device that holds nothing but a short code comes to its key. */
@Injectable()
export class ClaimsService {
  private readonly ofOne = new Attempts(OF_ONE.atOnce, OF_ONE.pauseMs);
  private readonly ofAll = new Attempts(OF_ALL.atOnce, OF_ALL.pauseMs);

  constructor(
    private readonly repository: DevicesRepository,
    private readonly systems: SystemsService,
    private readonly keys: KeysService,
    private readonly mqtt: Mqtt,
    private readonly clock: Clock,
  ) {}

  /** A code for a device; the one before is void. */
  async open(systemId: string, deviceId: string): Promise<ClaimCode> {
    await this.systems.findDevice(systemId, deviceId);
    const code = newClaimCode();
    const hash = await hashOfCode(code);
    const expires_at = this.clock.now() + VALID_MS;
    await this.repository.putClaim({ system_id: systemId, device_id: deviceId, hash, expires_at });
    return { code, expiresAt: isoTime(expires_at) };
  }

  /**
   * What is wrong with a code is not said, nor told by the time that it takes.
   * @param host by which the device has found this server
   * @throws CLAIM_NOT_FOUND, CLAIM_TOO_MANY
   */
  async claim(code: string, address: string, host: string): Promise<ClaimedDevice> {
    this.countAttempt(address);
    const hash = await hashOfCode(code);
    const candidates = await this.repository.claimsByHashPrefix(hash.slice(0, HASH_PREFIX_LENGTH));
    const found = candidates.find((claim) => isSameHash(claim.hash, hash));
    const now = this.clock.now();
    if (!found || found.expires_at <= now || !(await this.repository.takeClaim(hash))) {
      throw CLAIM_NOT_FOUND.happened();
    }
    const { system_id: systemId, device_id: deviceId } = found;
    const { id: keyId, secret: key } = await this.keys.replaceForDevice(systemId, deviceId);
    await this.repository.addEvent({ systemId, deviceId }, now, 'claimed', null);
    this.ofOne.giveBack(address);
    this.ofAll.giveBack(ALL);
    const { sensors, actuators } = await this.systems.describe(systemId);
    const own = (part: { deviceId: string }): boolean => part.deviceId === deviceId;
    return {
      systemId,
      deviceId,
      keyId,
      key,
      sensors: sensors.filter(own),
      actuators: actuators.filter(own),
      mqtt: this.mqttFor(systemId, keyId, host),
    };
  }

  /** A broker elsewhere knows no keys of ours. */
  private mqttFor(systemId: string, username: string, host: string): MqttSettings | undefined {
    const port = this.mqtt.port();
    return port === undefined ? undefined : { host, port, username, topicPrefix: topicPrefix(systemId) };
  }

  private countAttempt(address: string): void {
    const now = this.clock.now();
    const waitMs = this.ofOne.take(address, now) || this.ofAll.take(ALL, now);
    if (waitMs > 0) {
      throw CLAIM_TOO_MANY.happened({ headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } });
    }
  }
}
