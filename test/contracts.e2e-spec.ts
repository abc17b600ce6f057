import 'reflect-metadata';

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';

import { checkedReply } from '../src/brain/brain.module.ts';
import { Pool } from '../src/brain/pool.ts';
import type { Script } from '../src/brain/script.ts';
import { FUZZY_CONTROLLER } from '../src/control/fuzzy-controller.script.ts';
import { PERCEPTRON_NOTIFICATIONS } from '../src/notifications/perceptron-notifications.script.ts';
import { Problem } from '../src/platform/http/problem.ts';
import { readConfig } from '../src/platform/config.ts';
import { VISION } from '../src/vision/vision.script.ts';

type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

/** What both sides of the bridge are held to. */
interface Contract {
  title: string;
  request: object;
  /** Base64. */
  payload?: string;
  reply?: { [member: string]: Json };
  error?: { code: string; field: string };
}

const ROOT = resolve(import.meta.dirname, '..');
const SCRIPTS: Script<object, object>[] = [FUZZY_CONTROLLER, VISION, PERCEPTRON_NOTIFICATIONS];

function contractsOf(script: string): Contract[] {
  const folder = join(ROOT, 'test/contracts', script);
  return readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Contract);
}

/** These may be null: what is not there to be measured has no figure. */
const MAY_BE_NULL = ['outputs.0.value', 'greenness.value', 'yellowing.value', 'browning.value', 'overlay'];

/** Figures by name, of which there may be any. */
const MAPS = ['inputs.0.terms'];

/** Every way to spoil one field of a reply, in words and as the whole reply; of a list, its first item stands for all. */
function* spoilt(value: Json, path: (string | number)[] = []): Generator<[what: string, spoilt: unknown]> {
  const here = path.join('.');
  const isMap = MAPS.includes(here);
  for (const wrong of wrongFor(value, MAY_BE_NULL.includes(here), isMap)) {
    yield [`${here} is ${JSON.stringify(wrong)}`, wrong];
  }
  if (Array.isArray(value)) {
    yield [`${here} also holds null`, [...value, null]];
    const [first, ...others] = value;
    if (first === undefined) return;
    for (const [what, item] of spoilt(first, [...path, 0])) yield [what, [item, ...others]];
  } else if (typeof value === 'object' && value !== null) {
    yield [`${here} has an unknown field`, { ...value, mood: 'sunny' }];
    for (const [name, member] of Object.entries(value)) {
      const { [name]: _, ...others } = value;
      if (!isMap) yield [`${[...path, name].join('.')} is missing`, others];
      for (const [what, wrong] of spoilt(member, [...path, name])) yield [what, { ...value, [name]: wrong }];
    }
  }
}

function wrongFor(value: Json, mayBeNull: boolean, mayBeEmpty: boolean): unknown[] {
  const others: unknown[] = ['text', 7, true, {}, []];
  const kindOf = (each: unknown) => (Array.isArray(each) ? 'array' : typeof each);
  // Where null stands, only what the other replies of this script hold there could be right.
  const wrong = value === null ? ['text', true] : others.filter((other) => kindOf(other) !== kindOf(value));
  if (typeof value === 'number') wrong.push(NaN, Infinity, String(value));
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !mayBeEmpty) wrong.push({});
  return mayBeNull ? wrong : [...wrong, null];
}

/** Figures may differ in their last digits between machines. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1e6) / 1e6;
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, rounded(member)]));
}

describe.each(SCRIPTS)('the contract of $name', (script) => {
  const contracts = contractsOf(script.name);
  const replies = contracts.filter((contract) => contract.reply);
  let pool: Pool;

  beforeAll(() => {
    const config = readConfig({ PORT: '0' });
    const { python, scriptsDir } = config;
    const poolConfig = { ...config.pools[script.name]!, workers: 1, deadlineMs: 20_000 };
    pool = new Pool({ script: script.name, python, scriptsDir }, poolConfig, pino({ level: 'silent' }));
  });
  afterAll(() => pool.close());

  it('has examples of replies and of refusals', () => {
    expect(replies.length).toBeGreaterThan(1);
    expect(contracts.length).toBeGreaterThan(replies.length);
  });

  it.each(replies)('$title: the reply is of the class that Swagger shows', ({ reply }) => {
    expect(checkedReply(script, reply)).toEqual(reply);
  });

  it.each(replies)('$title: the reply is refused where any one field of it is spoilt', ({ reply }) => {
    const taken: string[] = [];
    let tried = 0;
    for (const [what, wrong] of spoilt(reply!)) {
      tried += 1;
      try {
        checkedReply(script, wrong);
        taken.push(what);
      } catch (error) {
        expect((error as Problem).type?.code).toBe('SCRIPT.REPLY_INVALID');
      }
    }
    expect(taken).toEqual([]);
    expect(tried).toBeGreaterThan(50);
  });

  it.each(contracts)('$title: the script answers so', async ({ request, payload, reply, error }) => {
    const answer = pool.ask(request, payload === undefined ? undefined : Buffer.from(payload, 'base64'));

    if (error) {
      const problem = await answer.then(
        () => undefined,
        (thrown: Problem) => thrown,
      );
      expect(problem?.type.code).toBe('SCRIPT.REFUSED');
      expect(problem?.occurrence.errors).toEqual([expect.objectContaining(error)]);
    } else {
      expect(rounded((await answer).reply)).toEqual(rounded(reply));
    }
  });
});
