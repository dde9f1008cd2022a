import type { AuthorizationPolicy, Offer } from './capability.ts';
import { type LoginMethod, nameAndDigest, type ScramSalt } from './credentials.ts';
import * as replies from './reply.ts';
import { messageId, openExchange, respond } from './sasl.ts';
import { RESPONSE_TOO_LONG, type SaslExchange, type SaslStep, WRONG_ARGUMENTS } from './sasl-step.ts';

/** The same as the steps of SASL, and +OK to a USER. */
export type LoginStep = SaslStep | { step: 'reply'; octets: Uint8Array };

const USER_TAKEN: LoginStep = { step: 'reply', octets: replies.USER_TAKEN };
const refused = (reply: Uint8Array): SaslStep => ({ step: 'refused', reply });
const TLS_NEEDED = refused(replies.TLS_NEEDED);
const NOT_KNOWN = refused(replies.UNKNOWN_COMMAND);

/** The commands that log in: what has been said of a login so far, and what is to be done of it. */
export class LoginDialogue {
  readonly #policy: AuthorizationPolicy;
  readonly #unique: () => string;
  /** What is offered on the connection as it is now. */
  #offer: Offer;
  /** The greeting's, until an APOP has used it. */
  #timestamp: string | null = null;
  #timestampUsed = false;
  #identities: readonly string[] = [];
  #user: string | null = null;
  #exchange: SaslExchange | null = null;

  /**
   * @param unique gives an unguessable text of hex digits, at each call another one: challenges and nonces are made
   *   of it, each for one attempt
   */
  constructor(policy: AuthorizationPolicy, offer: Offer, unique: () => string) {
    this.#policy = policy;
    this.#offer = offer;
    this.#unique = unique;
  }

  /** To be called once. */
  greet(): Uint8Array {
    if (!this.#offer.methods.has('APOP')) return this.#policy.greeting;
    this.#timestamp = messageId(this.#unique());
    return replies.greetingWith(this.#policy.settings.banner, this.#timestamp);
  }

  /** The client's certificate names these users: octet strings, not empty, fit for a line. */
  certified(identities: readonly string[], offer: Offer): void {
    this.#identities = identities;
    this.#offer = offer;
  }

  /** The connection has TLS now. The timestamp was for this connection and no other: it stays. */
  secured(offer: Offer): void {
    this.#offer = offer;
    this.forget();
  }

  forget(): void {
    this.#user = null;
    this.#exchange = null;
  }

  user(name: string | null): LoginStep {
    this.forget();
    const refusal = this.#refusal('USER');
    if (refusal !== null) return refusal;
    if (name === null || name === '') return WRONG_ARGUMENTS;
    this.#user = name;
    return USER_TAKEN;
  }

  /** @param password null where PASS has no argument; spaces are part of it, wherever they stand (RFC 1939 §7) */
  pass(password: string | null): LoginStep {
    const refusal = this.#refusal('USER');
    if (refusal !== null) return refusal;
    const user = this.#user;
    if (user === null) return refused(replies.USER_FIRST);
    if (password === null) return WRONG_ARGUMENTS;
    return { step: 'credentials', credentials: { mechanism: 'USER', user, password, authzid: '' } };
  }

  /** RFC 1939 §7 */
  apop(argument: string): LoginStep {
    this.forget();
    if (this.#timestampUsed) return refused(replies.TIMESTAMP_USED);
    // The greeting is what offers it, and there is no other after STLS.
    if (this.#timestamp === null) return NOT_KNOWN;
    const answer = nameAndDigest(argument);
    if (answer === null) return WRONG_ARGUMENTS;
    const challenge = this.#timestamp;
    this.#timestamp = null;
    this.#timestampUsed = true;
    return { step: 'credentials', credentials: { mechanism: 'APOP', authzid: '', challenge, ...answer } };
  }

  /** RFC 5034 §4; alone it lists the mechanisms. */
  auth(argument: string): LoginStep {
    const { mechanisms, mechanismList } = this.#offer;
    if (mechanisms.length === 0) return this.#notOffered(this.#policy.offers.tls.mechanisms.length > 0);
    if (argument === '') return { step: 'reply', octets: mechanismList };
    this.forget();
    if (this.#waitsForTls(argument)) return TLS_NEEDED;
    const { exchange, step } = openExchange(argument, mechanisms, this.#unique, this.#identities);
    this.#exchange = exchange;
    return step;
  }

  /** A line in answer to a challenge, or null for one that was too long. */
  respond(line: string | null): LoginStep {
    const step = line === null ? RESPONSE_TOO_LONG : respond(this.#exchange!, line);
    if (step.step === 'refused') this.forget();
    return step;
  }

  told(salted: ScramSalt): LoginStep {
    return this.#exchange!.told!(salted);
  }

  proved(serverSignature: string): LoginStep {
    return this.#exchange!.proved!(serverSignature);
  }

  /** Null where the method may be used now. */
  #refusal(method: LoginMethod): SaslStep | null {
    if (this.#offer.methods.has(method)) return null;
    return this.#notOffered(this.#policy.offers.tls.methods.has(method));
  }

  #notOffered(overTls: boolean): SaslStep {
    return overTls ? TLS_NEEDED : NOT_KNOWN;
  }

  #waitsForTls(argument: string): boolean {
    const name = argument.split(' ')[0]!.toUpperCase();
    const has = ({ mechanisms }: Offer) => mechanisms.some((mechanism) => mechanism === name);
    return !has(this.#offer) && has(this.#policy.offers.tls);
  }
}
