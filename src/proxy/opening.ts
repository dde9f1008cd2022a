import type { UpstreamEnd } from '../pop3/upstream-effect.ts';
import { UpstreamLogin, type UpstreamPlan } from '../pop3/upstream-login.ts';
import type { NoticeResult } from '../pop3/xclient.ts';
import type { Connection } from '../transport/transport.ts';
import type { KnownCapabilities } from './capabilities.ts';
import { Dialogue, type DialogueServices, type OpenFailure } from './dialogue.ts';
import { mayBeAway } from './reasons.ts';
import type { Upstream } from './upstream.ts';

export type OpenResult = OpenTimes & {
  address: string | null;
  notice: NoticeResult;
  /** The login command is out: the maildrop may be locked, and no other server is to be asked. */
  loginSent: boolean;
} & (
    | {
        ok: true;
        connection: Connection;
        /** The mailstore's final +OK line, with CRLF. */
        reply: Uint8Array;
        /** What the mailstore sent behind it. */
        rest: Uint8Array;
      }
    | { ok: false; failure: OpenFailure; detail: string }
  );

/** In milliseconds. `connect` ends when the TCP connection stands (null: it never did), `login` with the final reply. */
export type OpenTimes = { connectMs: number | null; loginMs: number };

/** In milliseconds: until the login is answered, and until its command is out where that has to be sooner. */
export type OpenPatience = { allMs: number; greetingMs: number };

export type UpstreamServices = DialogueServices & {
  /** What is known of the mailstores besides their settings. */
  capabilities: Pick<KnownCapabilities, 'pipelines' | 'lost'>;
};

/** Opens one logged-in session at a server of a mailstore. `done` is called once, unless cancelled first. */
export class UpstreamOpening {
  readonly #upstream: Upstream;
  readonly #header: Uint8Array | null;
  readonly #services: UpstreamServices;
  readonly #patience: OpenPatience;
  readonly #done: (result: OpenResult) => void;
  readonly #startedAt = performance.now();
  readonly #machine: UpstreamLogin;
  readonly #dialogue: Dialogue;
  #over = false;

  /** @param header what goes before all else, TLS included; null for nothing */
  constructor(
    upstream: Upstream,
    plan: UpstreamPlan,
    header: Uint8Array | null,
    patience: OpenPatience,
    services: UpstreamServices,
    done: (result: OpenResult) => void,
  ) {
    this.#upstream = upstream;
    this.#header = header;
    this.#services = services;
    this.#patience = patience;
    this.#done = done;
    const pipelining = services.capabilities.pipelines(upstream);
    this.#machine = new UpstreamLogin({ ...plan, pipelining });
    this.#dialogue = new Dialogue(upstream, this.#machine, services, {
      sent: () => this.#sent(),
      reached: (end) => this.#reached(end),
      failed: (failure, detail) => this.#failed(failure, detail),
    });
    // Before anybody is called, the caller has this object in hand.
    queueMicrotask(() => this.#start());
  }

  /** The client is gone: closes what was opened; `done` is not called any more. */
  cancel(): void {
    this.#over = true;
    this.#dialogue.cancel();
  }

  #start(): void {
    if (!this.#over) this.#dialogue.connect(this.#header, this.#startedAt + this.#patience.greetingMs);
  }

  #sent(): void {
    if (this.#machine.loginSent) this.#dialogue.expect(this.#startedAt + this.#patience.allMs);
  }

  #reached(end: UpstreamEnd): void {
    if (end.do !== 'done') return;
    const { reply, rest } = end;
    const facts = this.#facts();
    this.#done({ ok: true, connection: this.#dialogue.release(), reply, rest, ...facts });
  }

  #failed(failure: OpenFailure, detail: string): void {
    if (mayBeAway(failure)) this.#services.capabilities.lost(this.#upstream);
    this.#done({ ok: false, failure, detail, ...this.#facts() });
  }

  #facts() {
    const { notice, loginSent } = this.#machine;
    return { address: this.#dialogue.address, notice, loginSent, ...this.#times() };
  }

  #times(): OpenTimes {
    const { connectedAt } = this.#dialogue;
    if (connectedAt === 0) return { connectMs: null, loginMs: 0 };
    return { connectMs: connectedAt - this.#startedAt, loginMs: performance.now() - connectedAt };
  }
}
