import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { isPublicAddress, namesPrivateAddress, postOutbound, PrivateAddressError } from './outbound.js';

describe('an address that a user named', () => {
  it.each(['8.8.8.8', '2606:4700:4700::1111'])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '::7f00:1',
    '::808:808',
  ])('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::1]:80/',
    'http://[::127.0.0.1]/',
    'http://localhost:3000/',
    'http://a.localhost/',
  ])('%s is private as it stands', (url) => {
    expect(namesPrivateAddress(url)).toBe(true);
  });
});

describe('a request to it', () => {
  let server: Server;
  let port: number;
  let received = 0;

  beforeAll(async () => {
    server = createServer((request, response) => {
      received += 1;
      if (request.url === '/away') response.writeHead(302, { location: '/' }).end();
      else if (request.url !== '/never') response.writeHead(204).end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    port = (server.address() as AddressInfo).port;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const post = (
    path: string,
    mayBePrivate: boolean,
    host = '127.0.0.1',
    timeoutMs = 5_000,
  ): Promise<number> =>
    postOutbound({ url: `http://${host}:${port}${path}`, headers: {}, body: '{}', timeoutMs, mayBePrivate });

  it('is not made where the address is private', async () => {
    received = 0;
    await expect(post('/', false)).rejects.toThrow(PrivateAddressError);
    expect(received).toBe(0);
  });

  it('is not made where a name turns out to lead to a private address', async () => {
    received = 0;
    // A name without the look of one: what it leads to shows when it is resolved.
    await expect(post('/', false, 'ip6-localhost')).rejects.toThrow();
    await expect(post('/', false, 'LOCALHOST.')).rejects.toThrow();
    expect(received).toBe(0);
  });

  it('is made where the operator allows it, and follows no redirect', async () => {
    await expect(post('/', true)).resolves.toBe(204);
    await expect(post('/away', true)).resolves.toBe(302);
  });

  it('is given up in time', async () => {
    await expect(post('/never', true, '127.0.0.1', 100)).rejects.toThrow();
  });
});
