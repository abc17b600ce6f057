import { get, type IncomingMessage } from 'node:http';

import { ADMIN_KEY, type Server } from './server.ts';

export interface StreamEvent {
  event: string;
  id: string;
  data: Record<string, unknown>;
}

/** Reads server-sent events as a browser does. */
export class Stream {
  readonly events: StreamEvent[] = [];
  lastId = '';
  readonly ended: Promise<void>;
  private rest = '';

  private constructor(
    private readonly server: Server,
    private readonly response: IncomingMessage,
  ) {
    this.ended = new Promise((resolve) => response.once('close', resolve));
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.take(text));
    response.on('error', () => undefined);
  }

  /** @throws where it is refused. */
  static open(server: Server, systemId: string, headers: Record<string, string> = {}): Promise<Stream> {
    return new Promise((resolve, reject) => {
      const url = `${server.url}/v1/systems/${systemId}/live`;
      const all = { authorization: `Bearer ${ADMIN_KEY}`, ...headers };
      get(url, { headers: all }, (response) => {
        if (response.statusCode === 200) resolve(new Stream(server, response));
        else reject(new Error(`refused with ${response.statusCode}`));
      }).on('error', reject);
    });
  }

  async until(count: number): Promise<StreamEvent[]> {
    await this.server.until(() => this.events.length >= count, `${count} events have come`);
    return this.events;
  }

  untilEvent(isIt: (event: StreamEvent) => boolean): Promise<StreamEvent> {
    return this.server.until(() => this.events.find(isIt), 'the event has come');
  }

  close(): void {
    this.response.destroy();
  }

  private take(text: string): void {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop()!;
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block
          .split('\n')
          .filter((line) => line !== '' && !line.startsWith(':'))
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]),
      ) as { event?: string; id?: string; data?: string };
      if (fields.id !== undefined) this.lastId = fields.id;
      if (fields.data === undefined) continue;
      const data = JSON.parse(fields.data) as Record<string, unknown>;
      this.events.push({ event: fields.event ?? 'message', id: this.lastId, data });
    }
  }
}
