/** What a client offered to log in with. Every text is an octet string (latin1). */
export type Credentials = PasswordCredentials | DigestCredentials | ScramCredentials | ExternalCredentials;

/** Ways of logging in, as a site can list them: the commands USER (with PASS) and APOP, and the SASL mechanisms. */
export const LOGIN_METHODS = [
  'USER',
  'APOP',
  'PLAIN',
  'LOGIN',
  'CRAM-MD5',
  'SCRAM-SHA-256',
  'EXTERNAL',
] as const;
export type LoginMethod = (typeof LOGIN_METHODS)[number];

/** The SASL mechanisms among them. */
export type Mechanism = Exclude<LoginMethod, 'USER' | 'APOP'>;

type Names = {
  /** The authcid: teapop's login name, user and domain together. */
  user: string;
  /** '' where none was given. */
  authzid: string;
};

/** The password itself. */
export type PasswordCredentials = Names & { mechanism: 'USER' | 'PLAIN' | 'LOGIN'; password: string };

/** A digest of the password and of a challenge that was made for this one login. */
export type DigestCredentials = Names & {
  mechanism: 'APOP' | 'CRAM-MD5';
  challenge: string;
  /** 32 hex digits in lower case. */
  digest: string;
};

/** RFC 5802 §3: the proof that the client knows the password, over the messages of this one exchange. */
export type ScramCredentials = Names & {
  mechanism: 'SCRAM-SHA-256';
  /** What the client was told to salt the password with. */
  salted: ScramSalt;
  authMessage: string;
  /** 32 octets. */
  proof: string;
};

/** RFC 4422, appendix A: the client's certificate has said already who it is. */
export type ExternalCredentials = Names & { mechanism: 'EXTERNAL' };

export type ScramSalt = { salt: string; iterations: number };

/** Methods that send the password, so that without TLS whoever listens has it. */
const SENDING: ReadonlySet<LoginMethod> = new Set(['USER', 'PLAIN', 'LOGIN']);

export function sendsPassword(method: LoginMethod): boolean {
  return SENDING.has(method);
}

/** A digest behind a name, as APOP and CRAM-MD5 have it; the name may hold spaces. Null for what is none. */
export function nameAndDigest(text: string): { user: string; digest: string } | null {
  const at = text.lastIndexOf(' ');
  const digest = text.slice(at + 1);
  return at > 0 && MD5.test(digest) ? { user: text.slice(0, at), digest: digest.toLowerCase() } : null;
}

const MD5 = /^[0-9a-f]{32}$/i;
