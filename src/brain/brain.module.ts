import { DynamicModule, Inject, Injectable, Module, OnApplicationShutdown } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { Histogram } from 'prom-client';
import type { Logger } from 'pino';

import { CONFIG, type Config } from '../platform/config.js';
import { HealthRegistry } from '../platform/health/health.registry.js';
import { CheckedClass } from '../platform/http/checked-class.js';
import { fieldProblems } from '../platform/http/validation.pipe.js';
import { LOGGER } from '../platform/logging.js';
import { Metrics } from '../platform/metrics/metrics.js';
import { SCRIPT_REPLY_INVALID } from './brain.problems.js';
import { Pool } from './pool.js';
import type { Script } from './script.js';

export interface Answer<Reply> {
  reply: Reply;
  payload: Buffer;
  /** Inside the script. */
  computeMs: number;
}

/** Python as the rooms see it: ask a script, get a reply of the class it promised, or a problem. */
@Injectable()
export class Brain implements OnApplicationShutdown {
  private readonly pools = new Map<string, Pool>();
  private readonly runs: Histogram<'script' | 'outcome'>;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly health: HealthRegistry,
    metrics: Metrics,
  ) {
    this.runs = metrics.histogram('script_run_duration_seconds', 'Requests to scripts, waiting included', [
      'script',
      'outcome',
    ]);
    metrics.gauge('script_workers', 'Workers, by script and state', ['script', 'state'], (gauge) => {
      for (const [script, pool] of this.pools) {
        const { ready, busy, wanted } = pool.state().workers;
        gauge.set({ script, state: 'ready' }, ready);
        gauge.set({ script, state: 'busy' }, busy);
        gauge.set({ script, state: 'wanted' }, wanted);
      }
    });
    metrics.gauge('script_queue_length', 'Requests that wait for a worker', ['script'], (gauge) => {
      for (const [script, pool] of this.pools) gauge.set({ script }, pool.state().queued);
    });
    metrics.gauge('script_workers_ended', 'Workers that ended, by reason', ['script', 'reason'], (gauge) => {
      for (const [script, pool] of this.pools) {
        for (const [reason, count] of Object.entries(pool.state().ended))
          gauge.set({ script, reason }, count);
      }
    });
  }

  /** Starts the workers of a script. */
  open(script: Script<object, object>): void {
    const { name } = script;
    const poolConfig = this.config.pools[name];
    if (!poolConfig) throw new Error(`no configuration for the script ${name}`);
    const { python, scriptsDir } = this.config;
    const pool = new Pool({ script: name, python, scriptsDir }, poolConfig, this.logger);
    this.pools.set(name, pool);
    this.health.register(name, () => ({ ...pool.state() }));
  }

  /** @throws Problem (502, 503, 504, or 422 where the script refuses the request). */
  async ask<Request extends object, Reply extends object>(
    script: Script<Request, Reply>,
    request: Request,
    payload?: Buffer,
  ): Promise<Answer<Reply>> {
    const started = performance.now();
    let outcome = 'failed';
    try {
      const answer = await this.pools.get(script.name)!.ask(request, payload);
      const reply = checkedReply(script, answer.reply);
      outcome = 'answered';
      return { reply, payload: answer.payload, computeMs: answer.computeMs };
    } finally {
      this.runs.observe({ script: script.name, outcome }, (performance.now() - started) / 1000);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.close()));
  }
}

/** A reply is checked like a request: unknown members, missing ones and wrong types are all an error of ours. */
export function checkedReply<Reply extends object>(script: Script<object, Reply>, plain: unknown): Reply {
  if (CheckedClass.of(script.reply).accepts(plain)) return plain;
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
    throw SCRIPT_REPLY_INVALID.happened(`${script.name} did not reply with an object`);
  }
  const reply = plainToInstance(script.reply, plain);
  const errors = validateSync(reply, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
  });
  const [first] = fieldProblems(errors);
  throw SCRIPT_REPLY_INVALID.happened(`${script.name}: ${first?.field}: ${first?.message}`);
}

@Module({ providers: [Brain], exports: [Brain] })
class BrainCoreModule {}

/** A room imports it with the script it asks; the script's workers start with the service. */
@Module({})
export class BrainModule {
  static for<Request extends object, Reply extends object>(script: Script<Request, Reply>): DynamicModule {
    const opened = Symbol(script.name);
    return {
      module: BrainModule,
      imports: [BrainCoreModule],
      providers: [{ provide: opened, inject: [Brain], useFactory: (brain: Brain) => brain.open(script) }],
      exports: [BrainCoreModule],
    };
  }
}
