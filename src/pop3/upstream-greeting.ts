import { lineOf } from './reply.ts';
import type { UpstreamEffect, UpstreamMachine } from './upstream-effect.ts';
import type { UpstreamFailure } from './upstream-failure.ts';
import { UpstreamLines } from './upstream-reply.ts';
import { offersXclient } from './xclient.ts';

/** How the connection to a mailstore gets its TLS. */
export type UpstreamTls = 'off' | 'starttls' | 'implicit';

const STLS = lineOf('STLS');

/**
 * The mailstore's greeting, and STLS where it is due: until a command may be sent. Not a word of a login comes from
 * here, whatever the mailstore does.
 */
export class UpstreamGreeting implements UpstreamMachine {
  stage: 'handshake' | 'greeting' | 'stls' | 'ready';
  /** Settled when the mailstore has greeted. */
  offersXclient = false;
  /** For the machine that goes on when it is ready. Nothing is unread in it then. */
  readonly lines = new UpstreamLines();
  readonly #startTls: boolean;
  readonly #own: string;
  #greeted = false;
  #failed = false;
  #pending: UpstreamEffect | null = null;

  /** @param own a word of the proxy's own greeting, by which a connection that leads back to it is known; '' for none */
  constructor(tls: UpstreamTls, own = '') {
    this.#own = own;
    this.#startTls = tls === 'starttls';
    this.stage = tls === 'implicit' ? 'handshake' : 'greeting';
  }

  receive(octets: Uint8Array): void {
    if (this.#failed || octets.length === 0) return;
    if (this.stage === 'handshake') this.#pending = this.#fail('octets-before-tls');
    else this.lines.receive(octets);
  }

  keep(): void {
    this.lines.keep();
  }

  secured(): void {
    if (this.#failed) return;
    if (this.stage !== 'handshake') throw new Error('secured without startTls');
    // RFC 2595 §4: no second greeting after STLS.
    if (this.#greeted) this.#pending = this.#ready();
    else this.stage = 'greeting';
  }

  closed(): void {
    this.lines.closed();
  }

  next(): UpstreamEffect | null {
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) return pending;
    if (this.#failed) return null;
    // Nothing is due between the greeting and the first command, nor during a handshake.
    if (this.stage === 'ready' && this.lines.unread > 0) return this.#fail('octets-after-greeting');
    const read = this.lines.next();
    if (read === null) return null;
    return read === 'line' ? this.#reply() : this.#fail(read);
  }

  #reply(): UpstreamEffect {
    switch (this.lines.status) {
      case 'ok':
        return this.stage === 'greeting' ? this.#greet(this.lines.line) : this.#beginTls();
      case 'err':
        return this.#fail(this.stage === 'greeting' ? 'greeting-refused' : 'stls-refused');
      case 'continue':
        return this.#fail('unexpected-continuation');
      case 'invalid':
        return this.#fail(this.stage === 'greeting' ? 'greeting-invalid' : 'reply-invalid');
    }
  }

  #greet(line: string): UpstreamEffect {
    if (this.lines.unread > 0) return this.#fail('octets-after-greeting');
    if (this.#own !== '' && line.includes(this.#own)) return this.#fail('own-greeting');
    this.#greeted = true;
    this.offersXclient = offersXclient(line);
    if (!this.#startTls) return this.#ready();
    this.stage = 'stls';
    return { do: 'send', octets: STLS };
  }

  /** CVE-2021-33515 and its kin from the other side: what came in plain is no answer to what goes inside TLS. */
  #beginTls(): UpstreamEffect {
    if (this.lines.unread > 0) return this.#fail('octets-before-tls');
    this.stage = 'handshake';
    return { do: 'startTls' };
  }

  #ready(): UpstreamEffect {
    this.stage = 'ready';
    return { do: 'ready' };
  }

  #fail(failure: UpstreamFailure): UpstreamEffect {
    this.#failed = true;
    this.lines.clear();
    return { do: 'fail', failure };
  }
}
