import { lineOf } from './reply.ts';
import type { UpstreamEffect, UpstreamMachine, UpstreamStage } from './upstream-effect.ts';
import type { UpstreamFailure } from './upstream-failure.ts';
import { UpstreamGreeting, type UpstreamTls } from './upstream-greeting.ts';

/** Lines of one answer to CAPA; servers in use have a dozen. */
const CAPABILITIES_LIMIT = 100;

const CAPA = lineOf('CAPA');
const QUIT = lineOf('QUIT');

/**
 * Asks a mailstore for its capabilities (RFC 2449 §5), inside TLS where there is TLS, and takes its leave. What it
 * says counts for after the login too: there the RFC lets no capability differ but EXPIRE and LOGIN-DELAY, which say
 * so themselves.
 */
export class UpstreamInquiry implements UpstreamMachine {
  readonly #greeting: UpstreamGreeting;
  /** Null while the greeting is waited for. */
  #stage: 'capa' | 'done' | null = null;
  /** Null before the +OK. */
  #capabilities: string[] | null = null;
  #farewell = false;
  #failed = false;

  /** @param own see UpstreamGreeting */
  constructor(tls: UpstreamTls, own?: string) {
    this.#greeting = new UpstreamGreeting(tls, own);
  }

  /** Settled when it has greeted. */
  get offersXclient(): boolean {
    return this.#greeting.offersXclient;
  }

  get stage(): UpstreamStage {
    return this.#stage ?? this.#greeting.stage;
  }

  receive(octets: Uint8Array): void {
    // Nobody reads what it says to QUIT.
    if (this.#failed || this.#stage === 'done') return;
    if (this.#stage === null) this.#greeting.receive(octets);
    else this.#greeting.lines.receive(octets);
  }

  keep(): void {
    this.#greeting.keep();
  }

  secured(): void {
    this.#greeting.secured();
  }

  closed(): void {
    this.#greeting.closed();
  }

  /** 'fail' comes after 'answered' as well: when the mailstore has closed. */
  next(): UpstreamEffect | null {
    if (this.#failed) return null;
    if (this.#farewell) {
      this.#farewell = false;
      return { do: 'send', octets: QUIT };
    }
    return this.#stage === null ? this.#greet() : this.#read();
  }

  #greet(): UpstreamEffect | null {
    const effect = this.#greeting.next();
    if (effect?.do !== 'ready') return effect;
    this.#stage = 'capa';
    return { do: 'send', octets: CAPA };
  }

  #read(): UpstreamEffect | null {
    for (;;) {
      const read = this.#greeting.lines.next();
      if (read === null) return null;
      const effect = read === 'line' ? this.#line(this.#greeting.lines.line) : this.#fail(read);
      if (effect !== null) return effect;
    }
  }

  #line(line: string): UpstreamEffect | null {
    if (this.#capabilities === null) return this.#status();
    if (line === '.') return this.#answer(this.#capabilities);
    if (this.#capabilities.length >= CAPABILITIES_LIMIT) return this.#fail('reply-too-long');
    // RFC 1939 §3: a line that begins with a dot has got another before it.
    this.#capabilities.push(line.startsWith('.') ? line.slice(1) : line);
    return null;
  }

  #status(): UpstreamEffect | null {
    const { status } = this.#greeting.lines;
    if (status === 'err') return this.#answer(null);
    if (status !== 'ok')
      return this.#fail(status === 'continue' ? 'unexpected-continuation' : 'reply-invalid');
    this.#capabilities = [];
    return null;
  }

  #answer(capabilities: readonly string[] | null): UpstreamEffect {
    if (this.#greeting.lines.unread > 0) return this.#fail('octets-out-of-turn');
    this.#stage = 'done';
    this.#farewell = true;
    return { do: 'answered', capabilities };
  }

  #fail(failure: UpstreamFailure): UpstreamEffect {
    this.#failed = true;
    this.#greeting.lines.clear();
    return { do: 'fail', failure };
  }
}
