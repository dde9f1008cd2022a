import { type LoginStep, loginSteps, type UpstreamCredentials } from './login-script.ts';
import type { UpstreamEffect, UpstreamMachine, UpstreamStage } from './upstream-effect.ts';
import type { UpstreamFailure } from './upstream-failure.ts';
import { UpstreamGreeting, type UpstreamTls } from './upstream-greeting.ts';
import { codedRefusal, type UpstreamLines } from './upstream-reply.ts';
import { type ClientNotice, type NoticeResult, xclientLine } from './xclient.ts';

/** How to log in to the mailstore. */
export type UpstreamPlan = {
  tls: UpstreamTls;
  login: UpstreamCredentials;
  /** Whose login it is, for a mailstore that is to be told by XCLIENT. */
  client?: ClientNotice;
  /** The mailstore takes PIPELINING (RFC 2449 §6.8): all lines of the login go at once. */
  pipelining?: boolean;
  /** The connection may be dead: the password waits until something has been answered on it. Line by line, then. */
  doubted?: boolean;
  /** See UpstreamGreeting. */
  own?: string;
};

/** The login to the mailstore: greeting and TLS first, then one line out and one reply in, or all lines at once. */
export class UpstreamLogin implements UpstreamMachine {
  /** From here on the maildrop may be locked: the login must not be tried again on another connection. */
  loginSent = false;
  /** The user's name is out. */
  nameSent = false;
  /** Settled before the login is answered. */
  notice: NoticeResult = 'none';
  readonly #greeting: UpstreamGreeting;
  readonly #lines: UpstreamLines;
  readonly #client: ClientNotice | undefined;
  readonly #pipelining: boolean;
  /** Null while the greeting is waited for. */
  #stage: 'xclient' | 'user' | 'challenge' | 'login' | 'done' | null = null;
  /** Lines that have not been sent; what stands in them is kept no longer than that. */
  #unsent: LoginStep[];
  /** Replies due behind the one that is waited for. */
  readonly #due: LoginStep['stage'][] = [];
  #unspeakable: boolean;
  #failed = false;

  /** @param greeting of a connection that was opened ahead; it goes on from there */
  constructor(plan: UpstreamPlan, greeting = new UpstreamGreeting(plan.tls, plan.own)) {
    const doubted = plan.doubted === true;
    const steps = loginSteps(plan.login, doubted);
    this.#unspeakable = steps === null;
    this.#unsent = steps ?? [];
    this.#client = plan.client;
    this.#greeting = greeting;
    this.#lines = greeting.lines;
    // RFC 5034 §4: what follows AUTH answers a challenge, and waits for it.
    this.#pipelining = plan.pipelining === true && !doubted && this.#unsent[0]?.stage !== 'challenge';
  }

  get stage(): UpstreamStage {
    return this.#stage ?? this.#greeting.stage;
  }

  /** Throws after 'done', where the octets would be lost. */
  receive(octets: Uint8Array): void {
    if (this.#stage === 'done') throw new Error('octets for a machine that has handed over');
    if (this.#failed) return;
    if (this.#stage === null) this.#greeting.receive(octets);
    else this.#lines.receive(octets);
  }

  keep(): void {
    this.#lines.keep();
  }

  secured(): void {
    if (!this.#failed) this.#greeting.secured();
  }

  closed(): void {
    this.#lines.closed();
  }

  /** After 'done' and 'fail' always null. */
  next(): UpstreamEffect | null {
    if (this.#failed || this.#stage === 'done') return null;
    if (this.#unspeakable) return this.#fail('cannot-express');
    return this.#stage === null ? this.#greet() : this.#read();
  }

  #greet(): UpstreamEffect | null {
    const effect = this.#greeting.next();
    if (effect !== null && effect.do !== 'ready')
      return effect.do === 'fail' ? this.#fail(effect.failure) : effect;
    return this.#greeting.stage === 'ready' ? this.#begin() : null;
  }

  /** XCLIENT before the login, so that a refused one is the client's in the mailstore's log and limits. */
  #begin(): UpstreamEffect {
    if (this.#client !== undefined) {
      const line = this.#greeting.offersXclient ? xclientLine(this.#client) : null;
      if (line === null) this.notice = 'not-offered';
      else this.#unsent.unshift({ stage: 'xclient', line });
    }
    return this.#send();
  }

  #read(): UpstreamEffect | null {
    for (;;) {
      const read = this.#lines.next();
      if (read === null) return null;
      const effect = read === 'line' ? this.#reply() : this.#fail(read);
      if (effect !== null) return effect;
    }
  }

  #reply(): UpstreamEffect | null {
    const { status } = this.#lines;
    if (status === 'invalid') return this.#fail('reply-invalid');
    if (status === 'err' && this.#stage !== 'xclient') return this.#fail(this.#refusal());
    if ((status === 'continue') !== (this.#stage === 'challenge'))
      return this.#fail(status === 'continue' ? 'unexpected-continuation' : 'reply-invalid');
    if (this.#stage === 'login') return this.#done();
    if (this.#stage === 'xclient') this.notice = status === 'ok' ? 'taken' : 'refused';
    return this.#proceed();
  }

  /** To the next reply, which is due already, or to the line that asks for it. */
  #proceed(): UpstreamEffect | null {
    const due = this.#due.shift();
    if (due === undefined) return this.#lines.unread > 0 ? this.#fail('octets-out-of-turn') : this.#send();
    this.#stage = due;
    return null;
  }

  #send(): UpstreamEffect {
    const { stage, line } = this.#unsent.shift()!;
    this.#stage = stage;
    let text = line;
    while (this.#pipelining && this.#unsent.length > 0) {
      const next = this.#unsent.shift()!;
      this.#due.push(next.stage);
      text += next.line;
    }
    this.loginSent = this.#unsent.length === 0;
    this.nameSent ||= this.loginSent || stage === 'user';
    return { do: 'send', octets: Buffer.from(text, 'latin1') };
  }

  #done(): UpstreamEffect {
    this.#stage = 'done';
    return { do: 'done', reply: this.#lines.forClient(), rest: this.#lines.rest() };
  }

  #fail(failure: UpstreamFailure): UpstreamEffect {
    this.#failed = true;
    this.#unsent = [];
    this.#lines.clear();
    return { do: 'fail', failure };
  }

  #refusal(): UpstreamFailure {
    return codedRefusal(this.#lines.line) ?? (this.#stage === 'user' ? 'user-refused' : 'login-refused');
  }
}
