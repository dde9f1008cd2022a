import type { AuthorizationPolicy, ClearLogins, Offer } from './capability.ts';
import { type CommandName, commandArgument, takeCommand } from './command.ts';
import type { ScramSalt } from './credentials.ts';
import type { CloseReason, Effect, LoginOutcome } from './effect.ts';
import { LineBuffer } from './line.ts';
import { LoginDialogue, type LoginStep } from './login-dialogue.ts';
import * as replies from './reply.ts';
import { RESPONSE_LINE_LIMIT } from './sasl.ts';

/** Octets kept while a login is checked; the session stops reading above it. Far more than a poll's pipeline. */
export const BUFFERED_LIMIT = 64 * 1024;
/** Logins that could not be decided. They use up no attempt, but must not go on for ever. */
export const UNDECIDED_LIMIT = 10;

/** First octet of a TLS record that opens a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = '\x16';

export type Channel = {
  /** TLS stands already (implicit TLS). */
  tls: boolean;
  /** Which logins it may have without TLS. */
  clearLogins: ClearLogins;
};

type Phase =
  | 'command'
  | 'sasl'
  | 'waiting'
  | 'stls'
  | 'handshake'
  | 'handover'
  | 'relayed'
  | 'ending'
  | 'ended';

const say = (octets: Uint8Array): Effect => ({ do: 'reply', octets });
const START_TLS: Effect = { do: 'startTls' };
const PROCEED: Effect = { do: 'proceed' };
const SAY_OK = say(replies.OK);

/**
 * The proxy as the client sees it: RFC 1939's AUTHORIZATION state. Events go in by `receive`, `secured` and
 * `settle`; after each of them `next` is called until it answers null.
 */
export class Authorization {
  /** Logins handed to the authenticator, and those of them that failed or could not be decided. */
  attempts = 0;
  failedLogins = 0;
  undecidedLogins = 0;
  badCommands = 0;
  /** The name alone, for the log: never a line. */
  lastCommand: CommandName | null = null;
  #policy: AuthorizationPolicy;
  readonly #clearLogins: ClearLogins;
  #tls: boolean;
  readonly #login: LoginDialogue;
  #certified = false;
  #lines = new LineBuffer();
  #phase: Phase = 'command';
  #closeReason: CloseReason = 'quit';
  /** The reply to a login, until `next` fetches it. */
  #verdict: Effect | null = null;

  /** @param unique see LoginDialogue */
  constructor(policy: AuthorizationPolicy, channel: Channel, unique: () => string) {
    this.#policy = policy;
    this.#tls = channel.tls;
    this.#clearLogins = channel.clearLogins;
    this.#login = new LoginDialogue(policy, this.#offer, unique);
  }

  /** True between 'ask', 'authenticate' or 'proceed' and its answer. */
  get waiting(): boolean {
    return this.#phase === 'waiting';
  }

  /** Octets kept; above BUFFERED_LIMIT the session stops reading until they are fewer. */
  get buffered(): number {
    return this.#lines.length;
  }

  /** To be called once. */
  greet(): Uint8Array {
    return this.#login.greet();
  }

  /** Takes octets from the client, which must not change until `keep`. Throws after the hand-over, where they would be lost. */
  receive(octets: Uint8Array): void {
    if (this.#phase === 'relayed') throw new Error('octets for a machine that has handed over');
    if (octets.length === 0 || this.#phase === 'ending' || this.#phase === 'ended') return;
    // RFC 2595 §4, CVE-2011-0411: what came in plain behind STLS is neither run nor kept for after the handshake.
    if (this.#phase === 'stls' || this.#phase === 'handshake') this.#close('plaintext-after-stls');
    else this.#lines.append(octets);
  }

  /** The octets received last are the caller's again; to be called once `next` has answered null. */
  keep(): void {
    this.#lines.keep();
  }

  /** The next thing to do, or null until the next event. */
  next(): Effect | null {
    const verdict = this.#verdict;
    this.#verdict = null;
    if (verdict !== null) return verdict;
    switch (this.#phase) {
      case 'command':
        return this.#nextCommand();
      case 'sasl':
        return this.#nextResponse();
      case 'stls':
        this.#phase = 'handshake';
        return START_TLS;
      case 'handover':
        this.#phase = 'relayed';
        return { do: 'relay', unread: this.#lines.rest() };
      case 'ending':
        this.#phase = 'ended';
        return { do: 'close', reason: this.#closeReason };
      default:
        return null;
    }
  }

  /**
   * The client has shown a certificate in the handshake, which names these users. To be called before `greet` or
   * `secured`.
   */
  certified(identities: readonly string[]): void {
    if (identities.length === 0) return;
    this.#certified = true;
    this.#login.certified(identities, this.#offer);
  }

  /**
   * The TLS handshake is done. All state before it is forgotten (RFC 2595 §4); the counters stay, or STLS would
   * be worth another round of guesses.
   */
  secured(): void {
    if (this.#phase === 'ending' || this.#phase === 'ended') return;
    if (this.#phase !== 'handshake') throw new Error('secured without startTls');
    this.#tls = true;
    this.#login.secured(this.#offer);
    this.#phase = 'command';
  }

  /** The answer to 'ask'. */
  told(salted: ScramSalt): void {
    if (this.#phase !== 'waiting') throw new Error('told without ask');
    this.#verdict = this.#follow(this.#login.told(salted));
  }

  /** How a login came out. */
  settle(outcome: LoginOutcome): void {
    if (this.#phase !== 'waiting') throw new Error('settle without authenticate');
    if (outcome.result === 'proved') {
      this.#verdict = this.#follow(this.#login.proved(outcome.serverSignature));
      return;
    }
    this.#phase = 'command';
    this.#login.forget();
    switch (outcome.result) {
      case 'accepted':
        this.#verdict = say(outcome.reply);
        this.#phase = 'handover';
        return;
      case 'rejected':
        this.#verdict = say(replies.LOGIN_FAILED);
        if (++this.failedLogins >= this.#policy.settings.loginAttempts) this.#close('login-attempts');
        return;
      case 'unavailable':
        this.#verdict = say(replies.UNAVAILABLE[outcome.code]);
        if (++this.undecidedLogins >= UNDECIDED_LIMIT) this.#close('undecided-logins');
    }
  }

  #nextCommand(): Effect | null {
    const lines = this.#lines;
    // A ClientHello has no line end to wait for.
    if (!this.#tls && lines.startsWith(TLS_HANDSHAKE)) return this.#hangUp('tls-on-plain-port');
    const taken = takeCommand(lines);
    if (taken === 'partial') return null;
    if (taken === 'overlong' || taken === 'forged') {
      // It may have been a USER: a PASS behind it must not go with the name before it.
      this.#login.forget();
      this.lastCommand = 'unknown';
      return this.#bad(taken === 'overlong' ? replies.LINE_TOO_LONG : replies.FORGED_LINE);
    }
    this.lastCommand = taken;
    return this.#run(taken);
  }

  #run(name: CommandName): Effect {
    switch (name) {
      case 'USER':
        return this.#follow(this.#login.user(commandArgument(this.#lines)));
      case 'PASS':
        return this.#follow(this.#login.pass(commandArgument(this.#lines)));
      case 'APOP':
        return this.#follow(this.#login.apop((commandArgument(this.#lines) ?? '').trimEnd()));
      case 'AUTH':
        return this.#follow(this.#login.auth((commandArgument(this.#lines) ?? '').trim()));
      case 'http':
        return this.#hangUp('http-request');
      case 'unknown':
        return this.#bad(replies.UNKNOWN_COMMAND);
      default:
        // No RFC gives these an argument; spaces at the end are let pass.
        return (commandArgument(this.#lines) ?? '').trim() === ''
          ? this.#runBare(name)
          : this.#bad(replies.BAD_ARGUMENTS);
    }
  }

  #runBare(name: 'CAPA' | 'STLS' | 'NOOP' | 'QUIT'): Effect {
    switch (name) {
      case 'CAPA':
        return say(this.#offer.capa);
      case 'STLS':
        return this.#stlsCommand();
      case 'NOOP':
        return SAY_OK;
      case 'QUIT':
        this.#close('quit');
        return say(replies.BYE);
    }
  }

  #nextResponse(): Effect | null {
    const lines = this.#lines;
    const taken = lines.take(RESPONSE_LINE_LIMIT);
    if (taken === 'partial') return null;
    const line = taken === 'overlong' ? null : lines.text(lines.lineStart, lines.lineEnd);
    return this.#follow(this.#login.respond(line));
  }

  #follow(step: LoginStep): Effect {
    this.#phase = 'command';
    switch (step.step) {
      case 'reply':
        return say(step.octets);
      case 'challenge':
        this.#phase = 'sasl';
        return say(step.octets);
      case 'ask':
        this.#phase = 'waiting';
        return { do: 'ask', user: step.user };
      case 'credentials':
        this.#phase = 'waiting';
        this.attempts++;
        return { do: 'authenticate', credentials: step.credentials };
      case 'proceed':
        this.#phase = 'waiting';
        return PROCEED;
      case 'refused':
        return this.#bad(step.reply);
    }
  }

  #stlsCommand(): Effect {
    if (this.#tls) return this.#bad(replies.TLS_ACTIVE);
    if (!this.#policy.settings.stls) return this.#bad(replies.UNKNOWN_COMMAND);
    if (this.#lines.length > 0) return this.#hangUp('plaintext-after-stls');
    this.#phase = 'stls';
    return say(replies.BEGIN_TLS);
  }

  get #offer(): Offer {
    const overTls = this.#certified ? 'certified' : 'tls';
    return this.#policy.offers[this.#tls ? overTls : this.#clearLogins];
  }

  /** Each -ERR that is not the answer to a login counts, whatever its cause: no loop of them goes on for ever. */
  #bad(octets: Uint8Array): Effect {
    if (++this.badCommands >= this.#policy.settings.badCommands) this.#close('bad-commands');
    return say(octets);
  }

  /** For a peer that does not speak POP3, or not to us. */
  #hangUp(reason: CloseReason): Effect {
    this.badCommands++;
    this.#close(reason);
    return say(reason === 'plaintext-after-stls' ? replies.OCTETS_BEHIND_STLS : replies.UNKNOWN_COMMAND);
  }

  #close(reason: CloseReason): void {
    this.#phase = 'ending';
    this.#closeReason = reason;
    this.#login.forget();
    this.#lines.clear();
  }
}
