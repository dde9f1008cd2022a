import { constants } from 'node:crypto';
import type { ServerTlsOptions } from './transport.ts';

/** With a key exchange of its own for each session, and authenticated encryption; the cheaper ones first. */
const MODERN = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];

/** What clients have that know TLS 1.0 and 1.1 alone, the last two for those without elliptic curves. */
const OLD = [
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-SHA',
  'AES256-SHA',
];

/** For TLS 1.2 and below, in OpenSSL's form. */
export function cipherList({ ciphers, minVersion }: ServerTlsOptions): string {
  return ciphers ?? [...MODERN, ...(isOld(minVersion) ? OLD : [])].join(':');
}

export function isOld(minVersion: ServerTlsOptions['minVersion']): boolean {
  return minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
}

/**
 * `secureOptions` of a server's context. A renegotiation costs the server more than the client, and brings POP3
 * nothing: BoringSSL, in Bun, knows none on a server, and no constant for it.
 */
export function serverOptions({ cipherPreference }: ServerTlsOptions): number {
  const order = cipherPreference === 'server' ? constants.SSL_OP_CIPHER_SERVER_PREFERENCE : 0;
  return order | (constants.SSL_OP_NO_RENEGOTIATION ?? 0) | constants.SSL_OP_NO_COMPRESSION;
}
