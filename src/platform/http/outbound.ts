import { lookup } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The address is not one of the public internet, and the operator does not allow others. */
export class PrivateAddressError extends Error {}

/** An IPv4 address in the last digits of an IPv6 one, in a form long given up: some systems still follow it. */
const IPV4_COMPATIBLE = ipaddr.IPv6.parseCIDR('::/96');

/** Whether an address is one that anybody's name may lead us to. */
export function isPublicAddress(address: string): boolean {
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6 && parsed.match(IPV4_COMPATIBLE)) return false;
  return parsed.range() === 'unicast';
}

/** Whether a URL names a private address by its digits or as this very host. What a name leads to shows later. */
export function namesPrivateAddress(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (isIP(host)) return !isPublicAddress(host);
  return host === 'localhost' || host.endsWith('.localhost');
}

/**
 * Resolves a name as the connection does, and refuses it where any of its addresses is private: a check made before
 * the connection could be answered differently at the connection.
 */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    if (!addresses.every(({ address }) => isPublicAddress(address))) {
      return callback(new PrivateAddressError(`${hostname} leads to a private address`), []);
    }
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return callback(null, first!.address, first!.family);
  });
};

interface OutboundRequest {
  url: string;
  headers: Record<string, string>;
  body: string;
  timeoutMs: number;
  mayBePrivate: boolean;
}

/** POSTs to an address that a user named; follows no redirect, reads no answer. @returns the status. */
export async function postOutbound({
  url,
  headers,
  body,
  timeoutMs,
  mayBePrivate,
}: OutboundRequest): Promise<number> {
  if (!mayBePrivate && namesPrivateAddress(url)) throw new PrivateAddressError('the address is private');
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
        // The whole exchange, connecting and a trickled answer included.
        signal: AbortSignal.timeout(timeoutMs),
        agent: false,
        ...(!mayBePrivate && { lookup: publicLookup }),
      },
      (response) => {
        response.resume();
        response.destroy();
        resolve(response.statusCode ?? 0);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
