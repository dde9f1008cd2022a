/** One POP3 session of the load generator. */
import type { Dial, Ear, Link } from './dial.ts';
import { Expected, type Step } from './script.ts';

export type Ending =
  /** Every octet was right. */
  { kind: 'done' } | { kind: 'wrong'; why: string };

export type Watcher = {
  loggedIn(session: ClientSession): void;
  received(octets: number): void;
  /** The replies to one step are complete. */
  stepped(messages: number): void;
  ended(session: ClientSession, ending: Ending): void;
};

export type Login = { user: string; password: string };

/** What of a wrong reply is quoted. */
const QUOTED = 60;

export class ClientSession implements Ear {
  readonly startedAt = performance.now();
  readonly #login: Login;
  readonly #steps: readonly Step[];
  readonly #watcher: Watcher;
  #link: Link | null = null;
  /** Positive replies so far: greeting, USER, PASS. */
  #positive = 0;
  #line = '';
  #step = -1;
  #expected: Expected | null = null;
  #waits: boolean;
  #ended = false;

  /** With `waits`, the session stays idle after the login until `resume`. */
  constructor(login: Login, steps: readonly Step[], watcher: Watcher, waits: boolean) {
    this.#login = login;
    this.#steps = steps;
    this.#watcher = watcher;
    this.#waits = waits;
  }

  dial(dial: Dial): this {
    dial(this);
    return this;
  }

  get resumed(): boolean {
    return this.#link?.resumed() ?? false;
  }

  open(link: Link): void {
    this.#link = link;
  }

  data(octets: Buffer): void {
    if (this.#ended) return;
    this.#watcher.received(octets.length);
    if (this.#positive < 3) this.#authorize(octets);
    else this.#transact(octets);
  }

  close(why: string): void {
    this.#end({ kind: 'wrong', why: `connection: ${why}` });
  }

  /** Ends the wait of an idle session. */
  resume(): void {
    this.#waits = false;
    this.#next();
  }

  /** Cut off without a word, for the end of the run. */
  abandon(): void {
    this.#ended = true;
    this.#link?.terminate();
  }

  #authorize(octets: Buffer): void {
    this.#line += octets.toString('latin1');
    const end = this.#line.indexOf('\r\n');
    if (end < 0) return;
    if (!this.#line.startsWith('+OK') || end + 2 !== this.#line.length) {
      this.#wrong(this.#line);
      return;
    }
    this.#line = '';
    this.#positive++;
    if (this.#positive === 1) this.#say(`USER ${this.#login.user}\r\n`);
    else if (this.#positive === 2) this.#say(`PASS ${this.#login.password}\r\n`);
    else this.#transaction();
  }

  #transaction(): void {
    this.#watcher.loggedIn(this);
    if (!this.#waits) this.#next();
  }

  #transact(octets: Buffer): void {
    if (this.#expected === null || !this.#expected.take(octets)) {
      this.#wrong(octets.toString('latin1'));
      return;
    }
    if (!this.#expected.done) return;
    this.#watcher.stepped(this.#steps[this.#step]!.messages);
    this.#next();
  }

  #next(): void {
    const step = this.#steps[++this.#step];
    if (step === undefined) {
      this.#end({ kind: 'done' });
      return;
    }
    this.#expected = new Expected(step.replies);
    this.#link?.write(step.send);
  }

  #say(line: string): void {
    this.#link?.write(Buffer.from(line, 'latin1'));
  }

  #wrong(reply: string): void {
    this.#end({
      kind: 'wrong',
      why: `after ${this.#positive} replies: ${JSON.stringify(reply.slice(0, QUOTED))}`,
    });
  }

  #end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#watcher.ended(this, ending);
    this.#link?.end();
  }
}
