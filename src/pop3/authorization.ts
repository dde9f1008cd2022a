import { type AuthorizationPolicy, capaReply } from './capability.ts';
import { type CommandName, commandArgument, takeCommand } from './command.ts';
import type { CloseReason, Effect, LoginOutcome } from './effect.ts';
import { LineBuffer } from './line.ts';
import * as replies from './reply.ts';
import {
  type Credentials,
  openExchange,
  RESPONSE_LINE_LIMIT,
  RESPONSE_TOO_LONG,
  respond,
  type SaslExchange,
  type SaslStep,
} from './sasl.ts';

/** Octets kept while a login is checked; the session stops reading above it. Far more than a poll's pipeline. */
export const BUFFERED_LIMIT = 64 * 1024;
/** Logins that could not be decided. They use up no attempt, but must not go on for ever. */
export const UNDECIDED_LIMIT = 10;

/** First octet of a TLS record that opens a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = '\x16';

export type Channel = {
  /** TLS stands already (implicit TLS). */
  tls: boolean;
  /** Passwords may cross the connection without TLS. */
  plaintextAllowed: boolean;
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
const SAY_OK = say(replies.OK);
const SAY_USER_TAKEN = say(replies.USER_TAKEN);

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
  #plaintextAllowed: boolean;
  #tls: boolean;
  #lines = new LineBuffer();
  #phase: Phase = 'command';
  #closeReason: CloseReason = 'quit';
  /** The reply to a login, until `next` fetches it. */
  #verdict: Effect | null = null;
  #user: string | null = null;
  #exchange: SaslExchange | null = null;

  constructor(policy: AuthorizationPolicy, channel: Channel) {
    this.#policy = policy;
    this.#tls = channel.tls;
    this.#plaintextAllowed = channel.plaintextAllowed;
  }

  /** True between 'authenticate' and `settle`. */
  get waiting(): boolean {
    return this.#phase === 'waiting';
  }

  /** Octets kept; above BUFFERED_LIMIT the session stops reading until they are fewer. */
  get buffered(): number {
    return this.#lines.length;
  }

  greet(): Uint8Array {
    return this.#policy.greeting;
  }

  /** Takes octets from the client; they are copied. Throws after the hand-over, where they would be lost. */
  receive(octets: Uint8Array): void {
    if (this.#phase === 'relayed') throw new Error('octets for a machine that has handed over');
    if (octets.length === 0 || this.#phase === 'ending' || this.#phase === 'ended') return;
    // RFC 2595 §4, CVE-2011-0411: what came in plain behind STLS is neither run nor kept for after the handshake.
    if (this.#phase === 'stls' || this.#phase === 'handshake') this.#close('plaintext-after-stls');
    else this.#lines.append(octets);
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
   * The TLS handshake is done. All state before it is forgotten (RFC 2595 §4); the counters stay, or STLS would
   * be worth another round of guesses.
   */
  secured(): void {
    if (this.#phase === 'ending' || this.#phase === 'ended') return;
    if (this.#phase !== 'handshake') throw new Error('secured without startTls');
    this.#tls = true;
    this.#forgetLogin();
    this.#phase = 'command';
  }

  /** The answer to 'authenticate'. */
  settle(outcome: LoginOutcome): void {
    if (this.#phase !== 'waiting') throw new Error('settle without authenticate');
    this.#phase = 'command';
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
      this.#forgetLogin();
      this.lastCommand = 'unknown';
      return this.#bad(taken === 'overlong' ? replies.LINE_TOO_LONG : replies.FORGED_LINE);
    }
    this.lastCommand = taken;
    return this.#run(taken);
  }

  #run(name: CommandName): Effect {
    switch (name) {
      case 'USER':
        return this.#userCommand();
      case 'PASS':
        return this.#passCommand();
      case 'AUTH':
        return this.#authCommand();
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
        return say(capaReply(this.#policy, this.#tls, this.#plaintextAllowed));
      case 'STLS':
        return this.#stlsCommand();
      case 'NOOP':
        return SAY_OK;
      case 'QUIT':
        this.#close('quit');
        return say(replies.BYE);
    }
  }

  #userCommand(): Effect {
    this.#forgetLogin();
    if (!this.#passwordsAllowed()) return this.#bad(replies.TLS_NEEDED);
    const name = commandArgument(this.#lines) ?? '';
    if (name === '') return this.#bad(replies.BAD_ARGUMENTS);
    this.#user = name;
    return SAY_USER_TAKEN;
  }

  #passCommand(): Effect {
    if (!this.#passwordsAllowed()) return this.#bad(replies.TLS_NEEDED);
    if (this.#user === null) return this.#bad(replies.USER_FIRST);
    // RFC 1939 §7: spaces in it are part of the password, wherever they stand.
    const password = commandArgument(this.#lines);
    if (password === null) return this.#bad(replies.BAD_ARGUMENTS);
    return this.#authenticate({ mechanism: 'USER', user: this.#user, password, authzid: '' });
  }

  /** RFC 5034 §4; alone it lists the mechanisms. */
  #authCommand(): Effect {
    if (!this.#passwordsAllowed()) return this.#bad(replies.TLS_NEEDED);
    const argument = (commandArgument(this.#lines) ?? '').trim();
    if (argument === '') return say(this.#policy.mechanismList);
    const { exchange, step } = openExchange(argument, this.#policy.settings.mechanisms);
    this.#exchange = exchange;
    return this.#follow(step);
  }

  #nextResponse(): Effect | null {
    const lines = this.#lines;
    const taken = lines.take(RESPONSE_LINE_LIMIT);
    if (taken === 'partial') return null;
    if (taken === 'overlong') return this.#follow(RESPONSE_TOO_LONG);
    return this.#follow(respond(this.#exchange!, lines.text(lines.lineStart, lines.lineEnd)));
  }

  #follow(step: SaslStep): Effect {
    this.#phase = step.step === 'challenge' ? 'sasl' : 'command';
    switch (step.step) {
      case 'challenge':
        return say(step.octets);
      case 'credentials':
        return this.#authenticate(step.credentials);
      case 'refused':
        this.#forgetLogin();
        return this.#bad(step.reply);
    }
  }

  #authenticate(credentials: Credentials): Effect {
    this.#forgetLogin();
    this.#phase = 'waiting';
    this.attempts++;
    return { do: 'authenticate', credentials };
  }

  #stlsCommand(): Effect {
    if (this.#tls) return this.#bad(replies.TLS_ACTIVE);
    if (!this.#policy.settings.stls) return this.#bad(replies.UNKNOWN_COMMAND);
    if (this.#lines.length > 0) return this.#hangUp('plaintext-after-stls');
    this.#phase = 'stls';
    return say(replies.BEGIN_TLS);
  }

  #passwordsAllowed(): boolean {
    return this.#tls || this.#plaintextAllowed;
  }

  #forgetLogin(): void {
    this.#user = null;
    this.#exchange = null;
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
    this.#forgetLogin();
    this.#lines.clear();
  }
}
