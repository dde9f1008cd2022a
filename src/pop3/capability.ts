import { fitsInLine } from './line.ts';
import { lineOf, multiLine, REPLY_LIMIT } from './reply.ts';
import type { Mechanism } from './sasl.ts';

/** What a site sets for the client's side of POP3. */
export type PolicySettings = {
  /** Text behind the greeting's +OK. */
  banner: string;
  /**
   * Capability lines announced beside SASL, USER, STLS and IMPLEMENTATION, which the machine announces by its
   * state: 'TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'EXPIRE NEVER' … They stay true after the
   * login only if the mailstore has them too (RFC 2449 §5).
   */
  capabilities: readonly string[];
  /** Text of IMPLEMENTATION (RFC 2449 §6.9); null leaves it out. */
  implementation: string | null;
  mechanisms: readonly Mechanism[];
  /** STLS is offered on connections without TLS. */
  stls: boolean;
  /** Failed logins; the last one ends the connection. */
  loginAttempts: number;
  /** Bad commands; the last one ends the connection. */
  badCommands: number;
};

/** The settings with every reply that depends on them made once; shared by all sessions of a listener. */
export type AuthorizationPolicy = {
  readonly settings: PolicySettings;
  readonly greeting: Uint8Array;
  /** Reply to a bare AUTH (RFC 5034 §4). */
  readonly mechanismList: Uint8Array;
  /** CAPA on TLS, without TLS where plaintext passwords are allowed, and where they are not. */
  readonly capaOnTls: Uint8Array;
  readonly capaInClear: Uint8Array;
  readonly capaBeforeTls: Uint8Array;
};

/** Tags that depend on the connection's state. */
const COMPUTED = new Set(['USER', 'SASL', 'STLS', 'IMPLEMENTATION']);
/** A capability line, CRLF counted (RFC 2449 §4). */
const CAPABILITY_LIMIT = 512;
/** RFC 2449 §3: a capability tag and its parameters are printable US-ASCII. */
const PRINTABLE = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/;

/** Throws an Error that says which setting cannot be said in POP3. */
export function authorizationPolicy(settings: PolicySettings): AuthorizationPolicy {
  const common = settings.capabilities.map((line) => capabilityLine(line));
  const tail =
    settings.implementation === null
      ? []
      : [capabilityLine(`IMPLEMENTATION ${settings.implementation}`, true)];
  const login = ['USER'];
  if (settings.mechanisms.length > 0) login.push(`SASL ${settings.mechanisms.join(' ')}`);
  const stls = settings.stls ? ['STLS'] : [];
  const capa = (lines: string[]) => multiLine('+OK Capability list follows', [...common, ...lines, ...tail]);
  return {
    settings,
    greeting: greeting(settings.banner),
    mechanismList: multiLine('+OK Mechanisms follow', settings.mechanisms),
    capaOnTls: capa(login),
    capaInClear: capa([...stls, ...login]),
    capaBeforeTls: capa(stls),
  };
}

/** The CAPA that is true now (RFC 2449 §5): nothing is announced that would be refused. */
export function capaReply(policy: AuthorizationPolicy, tls: boolean, plaintextAllowed: boolean): Uint8Array {
  if (tls) return policy.capaOnTls;
  return plaintextAllowed ? policy.capaInClear : policy.capaBeforeTls;
}

function greeting(banner: string): Uint8Array {
  if (!fitsInLine(banner)) throw new Error('banner: NUL, CR, LF or a character that is no octet');
  // RFC 1939 §7: a client takes a msg-id in the greeting as the offer of APOP.
  if (/<[^>]*@[^>]*>/.test(banner)) throw new Error('banner: <…@…> would offer APOP');
  if (banner.startsWith('[')) throw new Error('banner: a leading [ would be read as a response code');
  const line = lineOf(banner === '' ? '+OK' : `+OK ${banner}`);
  if (line.length > REPLY_LIMIT) throw new Error(`banner: longer than ${REPLY_LIMIT} octets`);
  return line;
}

/** The line with its tag in upper case: some clients compare octets. */
function capabilityLine(line: string, computed = false): string {
  if (!PRINTABLE.test(line)) throw new Error(`capability ${JSON.stringify(line)}: not printable US-ASCII`);
  if (line.length + 2 > CAPABILITY_LIMIT)
    throw new Error(`capability longer than ${CAPABILITY_LIMIT} octets`);
  const [tag = '', ...parameters] = line.split(' ');
  const upper = tag.toUpperCase();
  if (!computed && COMPUTED.has(upper))
    throw new Error(`capability ${upper}: announced by the connection's state`);
  return [upper, ...parameters].join(' ');
}
