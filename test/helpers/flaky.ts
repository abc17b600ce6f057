import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Answer, Server } from './server.ts';

/** What a request can ask a stand-in script to do; the same numbers stand in `flaky/aquaponia/misbehaviour.py`. */
export const FLAKY = {
  dies: 101,
  leaves: 102,
  hangs: 103,
  printsGarbage: 104,
  printsHalfAndHangs: 105,
  printsHalfAndLeaves: 106,
  printsAList: 107,
  printsAnEndlessLine: 108,
  omitsAField: 109,
  addsAField: 110,
  mistakesAType: 111,
  repliesNothing: 112,
  repliesNan: 113,
  repliesInfinity: 114,
  repliesToAnother: 115,
  repliesTwice: 116,
  announcesImpossibleBytes: 117,
  sendsHalfTheBytes: 118,
  chatters: 119,
  repliesLate: 120,
  refuses: 121,
  fails: 122,
  refusesInAnotherShape: 123,
  omitsTheBytes: 124,
} as const;

type StartTrouble = 'dies-at-start' | 'starts-slowly' | 'is-another-script' | 'ignores-the-end';
export type ScriptName = 'fuzzy_controller' | 'vision' | 'perceptron_notifications';

/** The service over stand-in scripts that misbehave when asked to. */
export class FlakyServer {
  private constructor(
    readonly server: Server,
    private readonly scriptsDir: string,
  ) {}

  static async start(
    env: Record<string, string> = {},
    troubles: Partial<Record<ScriptName, StartTrouble>> = {},
  ): Promise<FlakyServer> {
    const scriptsDir = mkdtempSync(join(tmpdir(), 'aquaponia-flaky-'));
    cpSync(join(import.meta.dirname, 'flaky'), scriptsDir, { recursive: true });
    for (const [script, trouble] of Object.entries(troubles))
      writeFileSync(join(scriptsDir, `${script}.${trouble}`), '');
    const server = await Server.start({ AQUAPONIA_SCRIPTS_DIR: scriptsDir, ...env });
    const flaky = new FlakyServer(server, scriptsDir);
    if (Object.keys(troubles).length === 0) await flaky.untilReady();
    return flaky;
  }

  untilReady(): Promise<unknown> {
    return this.server.until(
      async () => (await this.server.get('/health/ready')).status === 200,
      'it is ready',
    );
  }

  /** From the next start of the script on. */
  trouble(script: ScriptName, trouble: StartTrouble): void {
    writeFileSync(join(this.scriptsDir, `${script}.${trouble}`), '');
  }

  mend(script: ScriptName, trouble: StartTrouble): void {
    rmSync(join(this.scriptsDir, `${script}.${trouble}`));
  }

  /** Asks the fuzzy controller; it misbehaves as it is told. */
  evaluate(misbehaviour: number = 50): Promise<Answer> {
    return this.server.post('/v1/control/evaluations', { inputs: { 'water-level': misbehaviour } });
  }

  /** Asks the perceptron; it misbehaves as it is told. */
  classify(misbehaviour: number = 50): Promise<Answer> {
    const readings = [{ quantity: 'water-level', value: misbehaviour }];
    return this.server.post('/v1/notifications/classifications', { readings, species: 'nile-tilapia' });
  }

  /** What a script's pool says of itself. */
  async pool(script: ScriptName = 'fuzzy_controller'): Promise<PoolReport> {
    const { body } = await this.server.get('/health/ready');
    return (body as { parts: Record<ScriptName, PoolReport> }).parts[script];
  }

  /** How many workers of a script ended for a reason, as Prometheus sees it. */
  async ended(reason: string, script: ScriptName = 'fuzzy_controller'): Promise<number> {
    const line = `aquaponia_script_workers_ended{script="${script}",reason="${reason}"} `;
    const { body } = await this.server.get('/metrics');
    const found = (body as string).split('\n').find((each) => each.startsWith(line));
    return Number(found?.slice(line.length) ?? 0);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    rmSync(this.scriptsDir, { recursive: true, force: true });
  }
}

interface PoolReport {
  ready: boolean;
  workers: { ready: number; busy: number; wanted: number };
  queued: number;
  ended: Record<string, number>;
}
