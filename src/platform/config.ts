import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { PostgresSettings } from './database/postgres.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** How many workers a script gets, and how long they are trusted. */
export interface PoolConfig {
  /** Warm processes; each serves one request at a time. */
  workers: number;
  /** Requests that may wait for a worker; one more is refused with 503. */
  queueLength: number;
  /** From the request's arrival to its reply, waiting included. */
  deadlineMs: number;
  /** A worker is replaced after this many requests, so that a slow leak never matters. */
  recycleAfterRequests: number;
  /** A worker is replaced at this age, for the same reason. */
  recycleAfterMs: number;
}

export interface MqttConfig {
  /** Of the broker in this process; undefined: no plain listener. */
  port: number | undefined;
  tls: { port: number; certFile: string; keyFile: string } | undefined;
  /** Of a broker elsewhere, which then takes the place of the one in this process. */
  url: string | undefined;
  /** PEM, of the authority that vouches for that broker. */
  caCert: string | undefined;
  /** A name that is this replica's alone, and stays its own; undefined: it has none. */
  clientId: string | undefined;
  /** Replicas of one group share the messages of a broker elsewhere; undefined: it cannot share. */
  shareGroup: string | undefined;
}

/** For how many days each level of a series is kept; 0 is for ever. */
export interface Retention {
  rawDays: number;
  hourlyDays: number;
  dailyDays: number;
}

/** Everything that can be set from outside, read from the environment once; `docs/CONFIGURATION.md` lists it. */
export interface Config {
  port: number;
  host: string;
  dataDir: string;
  /** Where set, PostgreSQL is the store in place of SQLite in `dataDir`. */
  postgres: PostgresSettings | undefined;
  adminKey: string | undefined;
  logLevel: string;
  python: string;
  scriptsDir: string;
  webhooksMayBePrivate: boolean;
  mqtt: MqttConfig;
  /** Where Home Assistant looks for what there is; undefined: it is told nothing. */
  homeAssistantPrefix: string | undefined;
  /** What one device key may send on average; 0: as much as it likes. */
  deviceReadingsPerSecond: number;
  retention: Retention;
  pools: Record<string, PoolConfig>;
}

export const CONFIG = Symbol('CONFIG');

export class ConfigError extends Error {}

type Environment = Record<string, string | undefined>;

/** Reads settings and remembers what is wrong with them, so that all of it can be said at once. */
class SettingsReader {
  readonly wrong: string[] = [];

  constructor(private readonly environment: Environment) {}

  text(name: string, fallback: string): string {
    return this.environment[name] || fallback;
  }

  /** A path, or a command to be looked for on PATH. */
  existing(name: string, fallback: string): string {
    const path = this.text(name, fallback);
    if (path.includes('/') && !existsSync(path)) this.wrong.push(`${name} names ${path}, which is not there`);
    return path;
  }

  integer(name: string, fallback: number, minimum: number, maximum: number): number {
    const given = this.environment[name];
    if (!given) return fallback;
    const value = Number(given);
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return value;
    this.wrong.push(`${name} must be a whole number from ${minimum} to ${maximum}, not "${given}"`);
    return fallback;
  }

  flag(name: string): boolean {
    const given = this.environment[name] || 'false';
    if (given !== 'true' && given !== 'false')
      this.wrong.push(`${name} must be true or false, not "${given}"`);
    return given === 'true';
  }

  oneOf(name: string, fallback: string, allowed: string[]): string {
    const given = this.text(name, fallback);
    if (!allowed.includes(given))
      this.wrong.push(`${name} must be one of ${allowed.join(', ')}, not "${given}"`);
    return given;
  }

  secret(name: string, minimumLength: number): string | undefined {
    const given = this.environment[name] || undefined;
    if (given && given.length < minimumLength) {
      this.wrong.push(`${name} must have at least ${minimumLength} characters`);
    }
    return given;
  }

  postgres(): PostgresSettings | undefined {
    const settings = {
      url: this.environment.DATABASE_URL ?? '',
      caCert: this.environment.DATABASE_CA_CERT || undefined,
      poolSize: this.integer('DATABASE_POOL_SIZE', 10, 2, 500),
      connectMs: this.integer('DATABASE_CONNECT_MS', 5_000, 100, 60_000),
      statementMs: this.integer('DATABASE_STATEMENT_MS', 30_000, 100, 3_600_000),
    };
    if (settings.url === '') return undefined;
    const wrong = wrongWith(settings);
    // The URL itself holds a password, and is never repeated.
    if (wrong) this.wrong.push(wrong);
    return settings;
  }

  /** Where "off" says that there shall be none. */
  unlessOff<T>(name: string, read: () => T): T | undefined {
    return this.environment[name] === 'off' ? undefined : read();
  }

  mqtt(): MqttConfig {
    const certFile = this.existing('MQTT_TLS_CERT', '');
    const keyFile = this.existing('MQTT_TLS_KEY', '');
    if ((certFile === '') !== (keyFile === '')) this.wrong.push('MQTT_TLS_CERT and MQTT_TLS_KEY go together');
    const tlsPort = this.integer('MQTT_TLS_PORT', 8883, 0, 65_535);
    const url = this.environment.MQTT_URL || undefined;
    // The URL may hold a password, and is never repeated.
    if (url && !(URL.canParse(url) && /^(mqtts?|wss?):$/.test(new URL(url).protocol)))
      this.wrong.push('MQTT_URL must have the form mqtts://user:password@host:8883 (or mqtt, ws, wss)');
    const caCert = this.environment.MQTT_CA_CERT || undefined;
    if (caCert && !caCert.includes('-----BEGIN CERTIFICATE-----'))
      this.wrong.push('MQTT_CA_CERT must be the text of a certificate, from -----BEGIN CERTIFICATE----- on');
    const shareGroup = this.unlessOff('MQTT_SHARE_GROUP', () => this.text('MQTT_SHARE_GROUP', 'aquaponia'));
    if (shareGroup && /[+#/]/.test(shareGroup))
      this.wrong.push('MQTT_SHARE_GROUP must not contain +, # or /');
    return {
      port: this.unlessOff('MQTT_PORT', () => this.integer('MQTT_PORT', 1883, 0, 65_535)),
      tls: certFile && keyFile ? { port: tlsPort, certFile, keyFile } : undefined,
      url,
      caCert,
      // On SQLite there is one replica.
      clientId: this.environment.MQTT_CLIENT_ID || (this.environment.DATABASE_URL ? undefined : 'aquaponia'),
      shareGroup,
    };
  }

  /** What is coarser is made of what is finer, and stands in for it: it stays at least as long. */
  retention(): Retention {
    const days = (level: string): number => this.integer(`AQUAPONIA_RETENTION_${level}_DAYS`, 0, 0, 36_500);
    const [rawDays, hourlyDays, dailyDays] = [days('RAW'), days('HOURLY'), days('DAILY')];
    const isLonger = (coarse: number, fine: number): boolean => coarse === 0 || (fine > 0 && coarse >= fine);
    if (!isLonger(hourlyDays, rawDays)) {
      this.wrong.push('AQUAPONIA_RETENTION_HOURLY_DAYS must not be less than AQUAPONIA_RETENTION_RAW_DAYS');
    }
    if (!isLonger(dailyDays, hourlyDays)) {
      this.wrong.push('AQUAPONIA_RETENTION_DAILY_DAYS must not be less than AQUAPONIA_RETENTION_HOURLY_DAYS');
    }
    return { rawDays, hourlyDays, dailyDays };
  }

  pool(script: string, defaults: PoolConfig): PoolConfig {
    const prefix = `AQUAPONIA_${script.toUpperCase()}`;
    return {
      workers: this.integer(`${prefix}_WORKERS`, defaults.workers, 1, 64),
      queueLength: this.integer(`${prefix}_QUEUE`, defaults.queueLength, 0, 100_000),
      deadlineMs: this.integer(`${prefix}_DEADLINE_MS`, defaults.deadlineMs, 10, 600_000),
      recycleAfterRequests: this.integer(
        `${prefix}_RECYCLE_REQUESTS`,
        defaults.recycleAfterRequests,
        1,
        1_000_000_000,
      ),
      recycleAfterMs: this.integer(`${prefix}_RECYCLE_MS`, defaults.recycleAfterMs, 100, 2_000_000_000),
    };
  }
}

const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'];

function wrongWith({ url, caCert }: PostgresSettings): string | undefined {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol))
    return 'DATABASE_URL must have the form postgresql://user:password@host:5432/database';
  const mode = parsed.searchParams.get('sslmode');
  if (mode && !TLS_MODES.includes(mode))
    return `the sslmode of DATABASE_URL must be one of ${TLS_MODES.join(', ')}, not "${mode}"`;
  if (caCert && !caCert.includes('-----BEGIN CERTIFICATE-----'))
    return 'DATABASE_CA_CERT must be the text of a certificate, from -----BEGIN CERTIFICATE----- on';
  return undefined;
}

const DAY_MS = 86_400_000;

/** @throws ConfigError naming everything that is wrong. */
export function readConfig(environment: Environment): Config {
  const settings = new SettingsReader(environment);
  const config: Config = {
    port: settings.integer('PORT', 3000, 0, 65_535),
    host: settings.text('HOST', '0.0.0.0'),
    dataDir: resolve(settings.text('AQUAPONIA_DATA_DIR', './data')),
    postgres: settings.postgres(),
    adminKey: settings.secret('AQUAPONIA_ADMIN_KEY', 16),
    logLevel: settings.oneOf('AQUAPONIA_LOG_LEVEL', 'info', ['debug', 'info', 'warn', 'error', 'silent']),
    python: settings.existing('AQUAPONIA_PYTHON', resolve(ROOT, '.venv/bin/python')),
    scriptsDir: resolve(settings.existing('AQUAPONIA_SCRIPTS_DIR', resolve(ROOT, 'python'))),
    webhooksMayBePrivate: settings.flag('AQUAPONIA_WEBHOOKS_MAY_BE_PRIVATE'),
    mqtt: settings.mqtt(),
    homeAssistantPrefix: settings.unlessOff('AQUAPONIA_HOME_ASSISTANT_PREFIX', () =>
      settings.text('AQUAPONIA_HOME_ASSISTANT_PREFIX', 'homeassistant'),
    ),
    deviceReadingsPerSecond: settings.integer('AQUAPONIA_DEVICE_READINGS_PER_SECOND', 2_000, 0, 1_000_000),
    retention: settings.retention(),
    pools: {
      fuzzy_controller: settings.pool('fuzzy_controller', {
        workers: Math.min(2, cpus().length),
        queueLength: 256,
        deadlineMs: 2_000,
        recycleAfterRequests: 1_000_000,
        recycleAfterMs: DAY_MS,
      }),
      vision: settings.pool('vision', {
        workers: 1,
        queueLength: 16,
        deadlineMs: 20_000,
        recycleAfterRequests: 1_000,
        recycleAfterMs: DAY_MS,
      }),
      perceptron_notifications: settings.pool('perceptron_notifications', {
        workers: 1,
        queueLength: 256,
        deadlineMs: 2_000,
        recycleAfterRequests: 1_000_000,
        recycleAfterMs: DAY_MS,
      }),
    },
  };
  if (settings.wrong.length > 0) throw new ConfigError(settings.wrong.join('; '));
  return config;
}
