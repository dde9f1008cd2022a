import { LOGIN_METHODS, type LoginMethod, type Mechanism, sendsPassword } from './credentials.ts';
import { fitsInLine } from './line.ts';
import { lineOf, multiLine, REPLY_LIMIT } from './reply.ts';

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
  methods: readonly LoginMethod[];
  /** STLS is offered on connections without TLS. */
  stls: boolean;
  /** Failed logins; the last one ends the connection. */
  loginAttempts: number;
  /** Bad commands; the last one ends the connection. */
  badCommands: number;
};

/** Which logins may come without TLS: none, those by a digest of the password, or any. */
export type ClearLogins = 'none' | 'digests' | 'any';

/** What a connection's state lets be announced and taken: the same for both (RFC 2449 §5, RFC 5034 §4). */
export type Offer = {
  readonly methods: ReadonlySet<LoginMethod>;
  readonly mechanisms: readonly Mechanism[];
  readonly capa: Uint8Array;
  /** Reply to a bare AUTH. */
  readonly mechanismList: Uint8Array;
};

/** The settings with every reply that depends on them made once; shared by all sessions of a listener. */
export type AuthorizationPolicy = {
  readonly settings: PolicySettings;
  readonly greeting: Uint8Array;
  /** On TLS, there with a certificate that names a user, and without TLS by what may come without. */
  readonly offers: Readonly<Record<'tls' | 'certified' | ClearLogins, Offer>>;
};

/** Tags that depend on the connection's state. */
const COMPUTED = new Set(['USER', 'SASL', 'STLS', 'IMPLEMENTATION']);
/** A capability line, CRLF counted (RFC 2449 §4). */
const CAPABILITY_LIMIT = 512;
/** RFC 2449 §3: a capability tag and its parameters are printable US-ASCII. */
const PRINTABLE = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/;

/** Room in the greeting for the timestamp of APOP. */
const TIMESTAMP_ROOM = 80;

/** Throws an Error that says which setting cannot be said in POP3. */
export function authorizationPolicy(settings: PolicySettings): AuthorizationPolicy {
  const announced = {
    common: settings.capabilities.map((line) => capabilityLine(line)),
    tail:
      settings.implementation === null
        ? []
        : [capabilityLine(`IMPLEMENTATION ${settings.implementation}`, true)],
  };
  const stls = settings.stls ? ['STLS'] : [];
  const certified = LOGIN_METHODS.filter((method) => settings.methods.includes(method));
  const all = certified.filter((method) => method !== 'EXTERNAL');
  const digests = all.filter((method) => !sendsPassword(method));
  return {
    settings,
    greeting: greeting(settings.banner, settings.methods.includes('APOP') ? TIMESTAMP_ROOM : 0),
    offers: {
      tls: offer(announced, [], all),
      certified: offer(announced, [], certified),
      any: offer(announced, stls, all),
      digests: offer(announced, stls, digests),
      none: offer(announced, stls, []),
    },
  };
}

function offer(
  { common, tail }: { common: string[]; tail: string[] },
  stls: string[],
  methods: readonly LoginMethod[],
): Offer {
  const mechanisms = methods.filter((method) => method !== 'USER' && method !== 'APOP');
  const login = methods.includes('USER') ? ['USER'] : [];
  if (mechanisms.length > 0) login.push(`SASL ${mechanisms.join(' ')}`);
  return {
    methods: new Set(methods),
    mechanisms,
    capa: multiLine('+OK Capability list follows', [...common, ...stls, ...login, ...tail]),
    mechanismList: multiLine('+OK Mechanisms follow', mechanisms),
  };
}

function greeting(banner: string, room: number): Uint8Array {
  if (!fitsInLine(banner)) throw new Error('banner: NUL, CR, LF or a character that is no octet');
  // RFC 1939 §7: a client takes a msg-id in the greeting as the offer of APOP.
  if (/<[^>]*@[^>]*>/.test(banner)) throw new Error('banner: <…@…> would offer APOP');
  if (banner.startsWith('[')) throw new Error('banner: a leading [ would be read as a response code');
  const line = lineOf(banner === '' ? '+OK' : `+OK ${banner}`);
  const limit = REPLY_LIMIT - room;
  if (line.length > limit) throw new Error(`banner: longer than ${limit} octets`);
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
