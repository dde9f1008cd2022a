/** What both TLS transports need to know of certificates: whether a pair fits, and which names it serves. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Certificate, ServerTlsOptions } from './transport.ts';

/** Asks for a handshake's context by the name that the client sent. */
export type ByName<Context> = (serverName: string) => Context | undefined;

function dnsNames(certificate: X509Certificate): string[] {
  const names = [...(certificate.subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map((match) => match[1]!);
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  // RFC 6125, 6.4.4: the common name counts only where there is no alternative name.
  const held = names.length > 0 || common === undefined ? names : [common];
  return held.map((name) => name.toLowerCase());
}

function parse(pair: Certificate, place: string): string[] {
  try {
    const certificate = new X509Certificate(pair.certificate);
    const key = createPrivateKey(pair.key);
    if (!certificate.checkPrivateKey(key)) throw new Error('the private key belongs to another certificate');
    return dnsNames(certificate);
  } catch (error) {
    throw new Error(`${place} cannot be used: ${(error as Error).message}`);
  }
}

/**
 * Builds one context for each certificate, by `build`, and finds them by name: an exact name first, then a
 * wildcard for the leftmost label (RFC 6125, 6.4.3). The first certificate that holds a name has it.
 */
export function contextsByName<Context>(
  options: ServerTlsOptions,
  build: (pair: Certificate) => Context,
): { first: Context; byName: ByName<Context> } {
  const names = new Map<string, Context>();
  const contexts = options.certificates.map((pair, index) => {
    const place = `certificate ${index + 1} of ${options.certificates.length}`;
    const held = parse(pair, place);
    const context = buildAt(place, () => build(pair));
    for (const name of held) if (!names.has(name)) names.set(name, context);
    return context;
  });
  const byName = (serverName: string): Context | undefined => {
    const name = serverName.toLowerCase();
    return names.get(name) ?? names.get(`*${name.slice(name.indexOf('.'))}`);
  };
  return { first: contexts[0]!, byName };
}

function buildAt<Context>(place: string, build: () => Context): Context {
  try {
    return build();
  } catch (error) {
    throw new Error(`${place} cannot be used: ${(error as Error).message}`);
  }
}

/** ALPN's wire format (RFC 7301, 3.1): each protocol behind its length. */
export function alpnWire(protocols: readonly string[]): Buffer {
  return Buffer.from(protocols.map((name) => String.fromCharCode(name.length) + name).join(''), 'latin1');
}
