import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import { ADMIN_KEY, Server } from './helpers/server.js';

const MEGABYTE = 1024 * 1024;

let server: Server;

beforeAll(async () => {
  server = await Server.start();
});

afterAll(() => server.stop());

/** Announces a photo and sends nothing of it. @returns the socket, and what has been answered to it so far. */
function announce(key: string | undefined, megabytes: number): { socket: Socket; answer: () => string } {
  const socket = connect(server.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  const authorization = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`;
  socket.write(
    `POST /v1/analyses HTTP/1.1\r\nHost: x\r\n${authorization}Content-Type: image/jpeg\r\nContent-Length: ${megabytes * MEGABYTE}\r\n\r\n`,
  );
  return { socket, answer: () => answer };
}

/** As curl sends it: with no word of a body, not even of its length. */
async function deleteWithoutBody(): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(
    `DELETE /v1/keys/nobody HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nConnection: close\r\n\r\n`,
  );
  return text(socket);
}

describe('a large body', () => {
  it.each([
    ['without a key', undefined, 'KEY.MISSING'],
    ['with a wrong key', 'nobody', 'KEY.INVALID'],
  ])('%s is refused before any of it is read', async (_, key, code) => {
    const { socket, answer } = announce(key, 30);
    await server.until(() => answer().includes(code), `it is refused as ${code}`);
    expect(answer()).toContain('HTTP/1.1 401');
    socket.destroy();
  });

  it('waits for its turn where too many are under way, and gets it when they are gone', async () => {
    const slow = Array.from({ length: 6 }, () => announce(ADMIN_KEY, 31));
    const refused = await server.until(async () => {
      const late = announce(ADMIN_KEY, 31);
      await server.until(
        () => late.answer() || late.socket.closed || slow.every(({ socket }) => !socket.pending),
        'it is answered or waits',
      );
      const answered = await Promise.race([
        server.until(() => late.answer(), 'there is an answer'),
        new Promise<string>((resolve) => setTimeout(() => resolve(''), 500)),
      ]);
      late.socket.destroy();
      return answered;
    }, 'one too many is refused');
    expect(refused).toContain('HTTP/1.1 503');
    expect(refused).toContain('BODY.TOO_MANY');
    expect(refused.toLowerCase()).toContain('retry-after: 2');
    // Small things go on meanwhile.
    expect((await server.get('/v1/systems')).status).toBe(200);
    expect(await deleteWithoutBody()).toContain('KEY.NOT_FOUND');
    for (const { socket } of slow) socket.destroy();
    await server.until(async () => {
      const answer = await server.post('/v1/analyses', Buffer.from('no photo'), {
        'content-type': 'image/jpeg',
      });
      return answer.status === 422;
    }, 'there is room again');
  });
});
