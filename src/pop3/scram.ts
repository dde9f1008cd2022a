import { decodeBase64, encodeBase64 } from './base64.ts';
import type { ScramSalt } from './credentials.ts';
import { fitsInLine } from './line.ts';
import { CHANNEL_BINDING, EMPTY_CHALLENGE } from './reply.ts';
import { challenge, MALFORMED, type SaslExchange, type SaslStep } from './sasl-step.ts';

/** RFC 5802 §7, the client's first message: channel binding, authzid, name, nonce, extensions. */
const CLIENT_FIRST =
  /^([ny]|p=[A-Za-z0-9.-]+),(?:a=([^,]+))?,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-ln-z]=[^,]+)*)$/;
/**
 * The last one: channel binding, nonce, extensions, proof. Optional extensions are ignored; `m=` is for those that must
 * not be (RFC 5802 §5.1), and none is known. What each part may hold ends where the next begins: a long line that
 * fits nothing would else be tried in as many ways as the square of its length, on everybody's time.
 */
const CLIENT_FINAL =
  /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-ln-z]=[^,]+)*),p=([A-Za-z0-9+/]{43}=)$/;
/** Far more than any client sends; it goes back in the challenge. */
const NONCE_LIMIT = 512;

const ASK: SaslStep = { step: 'challenge', octets: EMPTY_CHALLENGE };
const NOT_BOUND: SaslStep = { step: 'refused', reply: CHANNEL_BINDING };
const PROCEED: SaslStep = { step: 'proceed' };

/** What is kept of an exchange from the client's first message on. */
type Opened = {
  user: string;
  authzid: string;
  gs2Header: string;
  clientFirstBare: string;
  nonce: string;
  salted: ScramSalt | null;
  serverFirst: string;
};

/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) but for the hashing: the salt comes from the tables by `told`, and whether the
 * proof is right, with the signature that proves the server, by `proved`. Channel binding is not offered, so that
 * 'n' and 'y' are both right, and 'p' never is.
 */
export class ScramExchange implements SaslExchange {
  readonly #unique: () => string;
  #opened: Opened | null = null;
  #proved = false;

  /** @param unique see LoginDialogue */
  constructor(unique: () => string) {
    this.#unique = unique;
  }

  begin(): SaslStep {
    return ASK;
  }

  respond(response: string): SaslStep {
    // RFC 5034 §4: +OK carries no data, so the server's signature is a challenge with an empty answer.
    if (this.#proved) return response === '' ? PROCEED : MALFORMED;
    return this.#opened === null ? this.#first(response) : this.#final(this.#opened, response);
  }

  told(salted: ScramSalt): SaslStep {
    const opened = this.#opened!;
    opened.salted = salted;
    opened.serverFirst = `r=${opened.nonce},s=${encodeBase64(salted.salt)},i=${salted.iterations}`;
    return challenge(opened.serverFirst);
  }

  proved(serverSignature: string): SaslStep {
    this.#proved = true;
    return challenge(`v=${encodeBase64(serverSignature)}`);
  }

  #first(message: string): SaslStep {
    const match = fitsInLine(message) ? CLIENT_FIRST.exec(message) : null;
    if (match === null) return MALFORMED;
    const [, binding, authzidAsSent, bare, userAsSent, nonce] = match;
    const user = saslName(userAsSent!);
    const authzid = saslName(authzidAsSent ?? '');
    if (user === null || authzid === null) return MALFORMED;
    if (nonce!.length > NONCE_LIMIT) return MALFORMED;
    if (binding!.startsWith('p')) return NOT_BOUND;
    this.#opened = {
      ...{ user, authzid, salted: null, serverFirst: '' },
      gs2Header: message.slice(0, message.length - bare!.length),
      clientFirstBare: bare!,
      nonce: nonce! + this.#unique(),
    };
    return { step: 'ask', user };
  }

  #final(opened: Opened, message: string): SaslStep {
    const match = fitsInLine(message) ? CLIENT_FINAL.exec(message) : null;
    if (match === null) return MALFORMED;
    const [, withoutProof, binding, nonce, proof] = match;
    // What the client said of channel binding in the clear must be what it says under the proof.
    if (decodeBase64(binding!) !== opened.gs2Header || nonce !== opened.nonce) return MALFORMED;
    const octets = decodeBase64(proof!);
    if (octets === null) return MALFORMED;
    const { user, authzid, salted, clientFirstBare, serverFirst } = opened;
    const authMessage = `${clientFirstBare},${serverFirst},${withoutProof}`;
    const credentials = { mechanism: 'SCRAM-SHA-256', user, authzid, authMessage, proof: octets } as const;
    return { step: 'credentials', credentials: { ...credentials, salted: salted! } };
  }
}

/** RFC 5802 §5.1: '=2C' is a comma, '=3D' an equals sign, and any other '=' an error. */
function saslName(text: string): string | null {
  if (/=(?!2C|3D)/.test(text)) return null;
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
