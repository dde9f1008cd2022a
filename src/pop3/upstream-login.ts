import { fitsInLine, LineBuffer } from './line.ts';
import { lineOf, REPLY_LIMIT } from './reply.ts';
import { RESPONSE_LIMIT } from './sasl.ts';
import type { UpstreamFailure } from './upstream-failure.ts';
import { type ClientNotice, type NoticeResult, offersXclient, xclientLine } from './xclient.ts';

/** How to log in to the mailstore. Octet strings. */
export type UpstreamPlan = {
  tls: 'off' | 'starttls' | 'implicit';
  login:
    | { kind: 'userpass'; user: string; password: string }
    /** SASL PLAIN (RFC 4616). */
    | { kind: 'plain'; authzid: string; authcid: string; password: string };
  /** Whose login it is, for a mailstore that is to be told by XCLIENT. */
  client?: ClientNotice;
};

export type UpstreamEffect =
  | { do: 'send'; octets: Uint8Array }
  /** After STLS alone: with implicit TLS the caller shakes hands as it connects. `secured` follows. */
  | { do: 'startTls' }
  /** The upstream's own final +OK line, CRLF included, and the octets that came behind it: both for the client. */
  | { do: 'done'; reply: Uint8Array; rest: Uint8Array }
  | { do: 'fail'; failure: UpstreamFailure };

/** What the machine waits for; after a failure, what it waited for. Fit for a log line. */
export type UpstreamStage =
  | 'handshake'
  | 'greeting'
  | 'stls'
  | 'xclient'
  | 'user'
  | 'challenge'
  | 'login'
  | 'done';

/** A reply line as read. RFC 2449 §4 has 512; banners that name hosts and features are seen to go beyond. */
export const UPSTREAM_LINE_LIMIT = 2048;
/** A command line as sent (RFC 2449 §4): a mailstore may cut a longer one and take the rest for a command. */
const COMMAND_LIMIT = 255;

const STLS = lineOf('STLS');
const AUTH_PLAIN = lineOf('AUTH PLAIN');

/**
 * The login to the mailstore in lock-step: one line out, one reply in. Events go in by `receive`, `secured` and
 * `closed`; once at the start and after each of them `next` is called until it answers null.
 */
export class UpstreamLogin {
  stage: UpstreamStage;
  /** From here on the maildrop may be locked: the login must not be tried again on another connection. */
  loginSent = false;
  /** Settled before the login is sent. */
  notice: NoticeResult = 'none';
  #startTls: boolean;
  #script: LoginScript | null;
  readonly #client: ClientNotice | undefined;
  #takesNotice = false;
  #pending: UpstreamEffect | null = null;
  #lines = new LineBuffer();
  #greeted = false;
  #failed = false;
  #peerClosed = false;

  constructor(plan: UpstreamPlan) {
    this.#startTls = plan.tls === 'starttls';
    this.stage = plan.tls === 'implicit' ? 'handshake' : 'greeting';
    this.#client = plan.client;
    this.#script = loginScript(plan.login);
    if (this.#script === null) this.#pending = this.#fail('cannot-express');
  }

  /** Takes octets from the mailstore; they are copied. Throws after 'done', where they would be lost. */
  receive(octets: Uint8Array): void {
    if (this.stage === 'done') throw new Error('octets for a machine that has handed over');
    if (this.#failed || octets.length === 0) return;
    if (this.stage === 'handshake') this.#pending = this.#fail('octets-before-tls');
    else this.#lines.append(octets);
  }

  /** The TLS handshake is done, and the certificate is the mailstore's. */
  secured(): void {
    if (this.#failed) return;
    if (this.stage !== 'handshake') throw new Error('secured without startTls');
    // RFC 2595 §4: no second greeting after STLS.
    if (this.#greeted) this.#pending = this.#introduce();
    else this.stage = 'greeting';
  }

  /** The mailstore closed its side or the connection broke. */
  closed(): void {
    this.#peerClosed = true;
  }

  /** The next thing to do, or null until the next event. After 'done' and 'fail' always null. */
  next(): UpstreamEffect | null {
    const pending = this.#pending;
    if (pending !== null) {
      this.#pending = null;
      return pending;
    }
    if (this.#failed || this.stage === 'done') return null;
    const taken = this.stage === 'handshake' ? 'partial' : this.#lines.take(UPSTREAM_LINE_LIMIT);
    if (taken === 'line') return this.#reply(this.#lines.text(this.#lines.lineStart, this.#lines.lineEnd));
    if (taken === 'overlong') return this.#fail('reply-too-long');
    return this.#peerClosed ? this.#fail('closed') : null;
  }

  #reply(reply: string): UpstreamEffect {
    if (reply === '-ERR' || reply.startsWith('-ERR ')) return this.#refused(reply);
    if (reply === '+OK' || reply.startsWith('+OK ')) return this.#accepted(reply);
    if (reply === '+' || reply.startsWith('+ ')) return this.#challenged();
    return this.#fail(this.stage === 'greeting' ? 'greeting-invalid' : 'reply-invalid');
  }

  #accepted(reply: string): UpstreamEffect {
    if (this.stage === 'login') return this.#done(reply);
    if (this.#lines.length > 0) return this.#fail(this.#outOfTurn());
    switch (this.stage) {
      case 'greeting':
        this.#greeted = true;
        this.#takesNotice = offersXclient(reply);
        return this.#startTls ? this.#send('stls', STLS) : this.#introduce();
      case 'stls':
        this.stage = 'handshake';
        return { do: 'startTls' };
      case 'xclient':
        this.notice = 'taken';
        return this.#login();
      case 'user':
        return this.#sendSecret();
      default:
        return this.#fail('reply-invalid');
    }
  }

  /** RFC 5034 §4: the mailstore is ready for the response that did not fit behind AUTH. */
  #challenged(): UpstreamEffect {
    if (this.stage !== 'challenge') return this.#fail('unexpected-continuation');
    return this.#lines.length > 0 ? this.#fail('octets-out-of-turn') : this.#sendSecret();
  }

  /** Before the login, so that a refused one is the client's in the mailstore's log and limits; inside TLS, if any. */
  #introduce(): UpstreamEffect {
    if (this.#client === undefined) return this.#login();
    const line = this.#takesNotice ? xclientLine(this.#client) : null;
    if (line !== null) return this.#send('xclient', line);
    this.notice = 'not-offered';
    return this.#login();
  }

  #login(): UpstreamEffect {
    const { opening } = this.#script!;
    return opening === null ? this.#sendSecret() : this.#send(opening.stage, opening.octets);
  }

  #sendSecret(): UpstreamEffect {
    const { secret } = this.#script!;
    this.#script = null;
    this.loginSent = true;
    return this.#send('login', secret);
  }

  #send(stage: UpstreamStage, octets: Uint8Array): UpstreamEffect {
    this.stage = stage;
    return { do: 'send', octets };
  }

  #done(reply: string): UpstreamEffect {
    this.stage = 'done';
    return { do: 'done', reply: forClient(reply), rest: this.#lines.rest() };
  }

  #fail(failure: UpstreamFailure): UpstreamEffect {
    this.#failed = true;
    this.#script = null;
    this.#lines.clear();
    return { do: 'fail', failure };
  }

  #outOfTurn(): UpstreamFailure {
    if (this.stage === 'greeting') return 'octets-after-greeting';
    return this.stage === 'stls' ? 'octets-before-tls' : 'octets-out-of-turn';
  }

  #refused(reply: string): UpstreamEffect {
    if (this.stage !== 'xclient') return this.#fail(this.#refusal(reply));
    if (this.#lines.length > 0) return this.#fail(this.#outOfTurn());
    this.notice = 'refused';
    return this.#login();
  }

  #refusal(reply: string): UpstreamFailure {
    if (this.stage === 'greeting') return 'greeting-refused';
    if (this.stage === 'stls') return 'stls-refused';
    return codedRefusal(reply) ?? (this.stage === 'user' ? 'user-refused' : 'login-refused');
  }
}

/** RFC 2449 §8: codes in any letter case, levels below the known ones taken as those. */
function codedRefusal(reply: string): UpstreamFailure | null {
  const [level, sub] = (/^-ERR \[([^\]]*)\]/.exec(reply)?.[1] ?? '').toUpperCase().split('/');
  switch (level) {
    case 'AUTH':
      return 'login-auth-refused';
    case 'IN-USE':
      return 'in-use';
    case 'LOGIN-DELAY':
      return 'login-delay';
    case 'SYS':
      return sub === 'PERM' ? 'sys-perm' : 'sys-temp';
    default:
      return null;
  }
}

/** The lines that log in: one that opens, where one is needed, and the one that holds the password. */
type LoginScript = {
  opening: { stage: 'user' | 'challenge'; octets: Uint8Array } | null;
  secret: Uint8Array;
};

/** Null where a name or password cannot be said in POP3. */
function loginScript(login: UpstreamPlan['login']): LoginScript | null {
  if (login.password === '' || !fitsInLine(login.password)) return null;
  return login.kind === 'userpass' ? userPass(login.user, login.password) : plain(login);
}

function userPass(user: string, password: string): LoginScript | null {
  if (user === '' || !fitsInLine(user)) return null;
  const octets = lineOf(`USER ${user}`);
  const secret = lineOf(`PASS ${password}`);
  if (octets.length > COMMAND_LIMIT || secret.length > COMMAND_LIMIT) return null;
  return { opening: { stage: 'user', octets }, secret };
}

/** RFC 5034 §4: the response goes with AUTH where the line has room for it, else after the challenge. */
function plain(login: { authzid: string; authcid: string; password: string }): LoginScript | null {
  const { authzid, authcid, password } = login;
  if (authcid === '' || !fitsInLine(authcid) || !fitsInLine(authzid)) return null;
  const response = Buffer.from(`${authzid}\0${authcid}\0${password}`, 'latin1').toString('base64');
  if (response.length > RESPONSE_LIMIT) return null;
  const secret = lineOf(`AUTH PLAIN ${response}`);
  if (secret.length <= COMMAND_LIMIT) return { opening: null, secret };
  return { opening: { stage: 'challenge', octets: AUTH_PLAIN }, secret: lineOf(response) };
}

/** The upstream's line within what RFC 2449 §4 lets a client expect, control characters blanked. */
function forClient(reply: string): Uint8Array {
  return lineOf(reply.slice(0, REPLY_LIMIT - '\r\n'.length).replace(/[\x00-\x1f\x7f]/g, ' '));
}
