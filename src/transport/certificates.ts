/** What both TLS transports need to know of certificates: whether a pair fits, and which of them serve a name. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Certificate, ServerTlsOptions } from './transport.ts';

/** Asks for a handshake's context by the name that the client sent. */
export type ByName<Context> = (serverName: string) => Context | undefined;

type Read = { pair: Certificate; place: string; names: readonly string[]; kind: string };

function dnsNames(certificate: X509Certificate): string[] {
  const names = [...(certificate.subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map((match) => match[1]!);
  const common = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  // RFC 6125, 6.4.4: the common name counts only where there is no alternative name.
  const held = names.length > 0 || common === undefined ? names : [common];
  return held.map((name) => name.toLowerCase());
}

function read(pair: Certificate, place: string): Read {
  return attempt([place], () => {
    const certificate = new X509Certificate(pair.certificate);
    const key = createPrivateKey(pair.key);
    if (!certificate.checkPrivateKey(key)) throw new Error('the private key belongs to another certificate');
    return { pair, place, names: dnsNames(certificate), kind: key.asymmetricKeyType ?? '' };
  });
}

/**
 * Builds contexts by `build`, and finds them by name: an exact name first, then a wildcard for the leftmost label
 * (RFC 6125, 6.4.3). Of all certificates that hold a name the first of each kind of key serves it, so that a client
 * that knows no ECDSA gets the RSA certificate beside it. However many names are asked for, nothing is kept of them.
 */
export function contextsByName<Context>(
  options: ServerTlsOptions,
  build: (pairs: readonly Certificate[]) => Context,
): { first: Context; byName: ByName<Context> } {
  const { certificates } = options;
  const all = certificates.map((pair, at) => read(pair, `certificate ${at + 1} of ${certificates.length}`));
  const built = new Map<string, Context>();
  const contextOf = (serving: readonly Read[]): Context => {
    const places = serving.map(({ place }) => place);
    const key = places.join(' and ');
    if (!built.has(key))
      built.set(
        key,
        attempt(places, () => build(serving.map(({ pair }) => pair))),
      );
    return built.get(key)!;
  };
  const names = new Map<string, Context>();
  for (const name of all.flatMap((certificate) => certificate.names))
    if (!names.has(name)) names.set(name, contextOf(serversOf(name, all)));
  const first = contextOf(besides(all));
  const byName = (serverName: string): Context | undefined => {
    const name = serverName.toLowerCase();
    return names.get(name) ?? names.get(wildcardOf(name));
  };
  return { first, byName };
}

/** Those of a name that is a certificate's own; one that holds its wildcard stands in for a kind that is missing. */
function serversOf(name: string, all: readonly Read[]): Read[] {
  const exact = all.filter(({ names }) => names.includes(name));
  const wildcard = all.filter(({ names }) => names.includes(wildcardOf(name)));
  return oneOfEachKind([...exact, ...wildcard]);
}

/** For clients that ask for no name that is held: the first certificate, and those of other kinds that share a name. */
function besides(all: readonly Read[]): Read[] {
  const first = all[0]!;
  const kin = all.filter(({ names }) => names.some((name) => first.names.includes(name)));
  return oneOfEachKind([first, ...kin]);
}

/** ECDSA comes first and RSA last: where a client knows both the libraries take what is cheaper to sign with. */
function oneOfEachKind(candidates: readonly Read[]): Read[] {
  const kinds = [...new Set(candidates.map(({ kind }) => kind))];
  const rank = (kind: string) => (kind === 'ec' ? 0 : kind === 'rsa' ? 2 : 1);
  return kinds
    .sort((one, other) => rank(one) - rank(other))
    .map((kind) => candidates.find((candidate) => candidate.kind === kind)!);
}

function wildcardOf(name: string): string {
  return `*${name.slice(name.indexOf('.'))}`;
}

/** Says in front of what went wrong which certificate it is about. */
function attempt<Result>(places: readonly string[], step: () => Result): Result {
  try {
    return step();
  } catch (error) {
    throw new Error(`${places.join(' and ')} cannot be used: ${(error as Error).message}`);
  }
}

/** ALPN's wire format (RFC 7301, 3.1): each protocol behind its length. */
export function alpnWire(protocols: readonly string[]): Buffer {
  return Buffer.from(protocols.map((name) => String.fromCharCode(name.length) + name).join(''), 'latin1');
}
