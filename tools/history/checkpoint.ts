import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import type { Tally } from './tally.ts';

/**
 * How far an import got: what became of the first `tally.rows` rows of its file. One small file for each import, in
 * `$XDG_STATE_HOME/aquaponia/imports` (`~/.local/state` where that is not set).
 */
export class Checkpoint {
  readonly path: string;

  /** @param identity whatever makes an import another one: the file's content, the system, the map. */
  constructor(identity: unknown, environment: Record<string, string | undefined> = process.env) {
    const name = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
    const state = environment.XDG_STATE_HOME || join(homedir(), '.local/state');
    this.path = join(state, 'aquaponia/imports', `${name}.json`);
  }

  /** @returns undefined where there is none, or none that can be read. */
  load(): Tally | undefined {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as Tally;
    } catch {
      return undefined;
    }
  }

  /** In one step: a process that is killed leaves the old one or the new one. */
  save(tally: Tally): void {
    mkdirSync(dirname(this.path), { recursive: true });
    const draft = `${this.path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(tally));
    renameSync(draft, this.path);
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}
