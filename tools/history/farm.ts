import { setTimeout as wait } from 'node:timers/promises';

import { Obstacle } from './obstacle.ts';

export interface PostedReading {
  sensor: string;
  value: number | null;
  /** ISO 8601. */
  observedAt: string;
}

/** What the service says of one reading. */
export interface Verdict {
  outcome: 'stored' | 'duplicate' | 'refused';
  quality?: string;
  reasons?: string[];
  error?: { code: string };
}

export interface FarmSystem {
  id: string;
  createdAt: string;
  devices: { id: string }[];
  sensors: { id: string }[];
}

/** The person pressed Ctrl-C while a request waited for its next try. */
export class Interrupted extends Error {}

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

interface FarmOptions {
  url: string;
  key: string;
  /** How long one request is tried again while the service is away or busy. */
  patienceMs: number;
  interrupt: AbortSignal;
  say: (sentence: string) => void;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const REQUEST_MS = 60_000;
/** Busy, or something in between that misses the service: the same request may pass in a while. */
const PASSING = [429, 502, 503, 504];

const REMEDIES: Record<number, string> = {
  401: 'put a key of this farm into the environment variable AQUAPONIA_KEY',
  403: "use a device key of this system, or an operator's key, which may also make sensors",
  404: 'GET /v1/systems lists the systems there are',
};

/** The running service, over HTTP. */
export class Farm {
  private readonly options: FarmOptions;

  constructor(options: FarmOptions) {
    this.options = options;
  }

  async describe(systemId: string): Promise<FarmSystem> {
    const { body } = await this.request('GET', `/v1/systems/${systemId}`);
    if (!Array.isArray(body.sensors) || !Array.isArray(body.devices)) throw this.stranger();
    return body as unknown as FarmSystem;
  }

  async addDevice(systemId: string, device: { id: string; name: string }): Promise<void> {
    await this.request('POST', `/v1/systems/${systemId}/devices`, device);
  }

  async addSensor(
    systemId: string,
    sensor: { id: string; deviceId: string; quantity: string; place: string },
  ): Promise<void> {
    await this.request('POST', `/v1/systems/${systemId}/sensors`, sensor);
  }

  /** @returns a verdict for each reading, in their order; a batch of which nothing could be taken is no error. */
  async post(systemId: string, readings: PostedReading[]): Promise<Verdict[]> {
    const { body } = await this.request('POST', `/v1/systems/${systemId}/readings`, { readings });
    if (!Array.isArray(body.results) || body.results.length !== readings.length) throw this.stranger();
    return body.results as Verdict[];
  }

  /** @throws Obstacle for an answer that trying again would not change, and when patience ends. */
  private async request(method: string, path: string, body?: unknown): Promise<Answer> {
    const start = Date.now();
    for (let pause = FIRST_WAIT_MS; ; pause = Math.min(2 * pause, LONGEST_WAIT_MS)) {
      const { answer, trouble, retryAfterMs } = await this.attempt(method, path, body);
      if (answer) return answer;
      const waitMs = Math.max(pause, retryAfterMs);
      const triedMs = Date.now() - start;
      if (triedMs + waitMs > this.options.patienceMs) {
        throw new Obstacle(
          `${this.options.url} ${trouble}; it was tried for ${Math.ceil(triedMs / 1000)} s.`,
        );
      }
      if (pause === FIRST_WAIT_MS) this.options.say(`${this.options.url} ${trouble}; trying again …`);
      await wait(waitMs, undefined, { signal: this.options.interrupt }).catch(() => {
        throw new Interrupted();
      });
    }
  }

  private async attempt(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ answer?: Answer; trouble: string; retryAfterMs: number }> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.options.url + path, {
        method,
        headers: {
          ...(this.options.key && { authorization: `Bearer ${this.options.key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      text = await response.text();
    } catch (error) {
      return { trouble: `does not answer (${codeOf(error)})`, retryAfterMs: 0 };
    }
    if (PASSING.includes(response.status)) {
      const retryAfterMs = 1000 * (Number(response.headers.get('retry-after')) || 0);
      return { trouble: `is busy or away (status ${response.status})`, retryAfterMs };
    }
    return {
      answer: this.check({ status: response.status, body: this.parse(text) }),
      trouble: '',
      retryAfterMs: 0,
    };
  }

  private parse(text: string): Record<string, unknown> {
    try {
      const parsed: unknown = JSON.parse(text);
      if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>;
    } catch {
      // It is no JSON: said below.
    }
    throw this.stranger();
  }

  private check(answer: Answer): Answer {
    const { status, body } = answer;
    if (status < 300 || (status === 422 && Array.isArray(body.results))) return answer;
    const remedy = REMEDIES[status] ? `; ${REMEDIES[status]}` : '';
    throw new Obstacle(
      `${this.options.url} refused with ${String(body.code)}: ${String(body.detail)}${remedy}.`,
    );
  }

  private stranger(): Obstacle {
    return new Obstacle(
      `What answers at ${this.options.url} does not answer as Aquaponia does: is the address right?`,
    );
  }
}

function codeOf(error: unknown): string {
  const { name, cause } = error as { name: string; cause?: { code?: string } };
  return cause?.code ?? name;
}
