import type { Log } from '../ops/log.ts';
import { commonCapabilities, takesPipelining } from '../pop3/upstream-capability.ts';
import { Backoff } from './backoff.ts';
import { Deadline } from './deadlines.ts';
import type { DialogueServices, OpenFailure } from './dialogue.ts';
import { Inquiry } from './inquiry.ts';
import type { UpstreamServer } from './upstream.ts';

export type WatchServices = DialogueServices & { log: Log };

/** What one server of a mailstore announces: asked when it is told to, and after a failure until it has answered. */
export class CapabilityWatch {
  /** Undefined until it has answered; null where it has no CAPA. Kept while it is away. */
  lines: readonly string[] | null | undefined = undefined;
  /** Believed until a connection to it fails: who comes back may be another. */
  pipelining = false;
  readonly #server: UpstreamServer;
  readonly #services: WatchServices;
  readonly #heard: () => void;
  readonly #backoff: Backoff;
  readonly #retry = new Deadline(() => this.ask());
  #inquiry: Inquiry | null = null;
  /** When it began to answer, as it does now; null while it does not. */
  #wellSince: number | null = null;
  /** It does not answer, and that has been said. */
  #silent = false;

  /** @param heard called after each answer and each failure to get one */
  constructor(server: UpstreamServer, services: WatchServices, heard: () => void, retryMs?: number) {
    this.#server = server;
    this.#services = services;
    this.#heard = heard;
    this.#backoff = new Backoff(retryMs);
  }

  /** Unless it is being asked. */
  ask(): void {
    this.#services.wheel.clear(this.#retry);
    if (this.#inquiry?.asking) return;
    this.#inquiry?.cancel();
    this.#inquiry = new Inquiry(this.#server, this.#services, {
      answered: (lines) => this.#answered(lines),
      failed: (failure, detail) => this.#failed(failure, detail),
    });
  }

  /** A connection to it failed. */
  lost(): void {
    this.pipelining = false;
    this.askAgain();
  }

  /** Soon; one that answers, and fails connections all the same, is not asked each time. */
  askAgain(): void {
    if (this.#inquiry?.asking || this.#retry.next !== null) return;
    if (this.#wellSince !== null) this.#backoff.well(performance.now() - this.#wellSince);
    this.#wellSince = null;
    this.#services.wheel.set(this.#retry, this.#backoff.failed());
  }

  close(): void {
    this.#inquiry?.cancel();
    this.#services.wheel.clear(this.#retry);
  }

  #answered(lines: readonly string[] | null): void {
    this.#wellSince ??= performance.now();
    this.#silent = false;
    this.lines = lines;
    this.pipelining = takesPipelining(lines);
    this.#services.log.event('info', 'capabilities-known', {
      upstream: this.#server.upstream.name,
      server: this.#server.name,
      // Of what it has said, no more than the words that are known here.
      capabilities: lines === null ? null : commonCapabilities([lines]).join(', '),
    });
    this.#heard();
  }

  #failed(failure: OpenFailure, detail: string): void {
    if (!this.#silent) {
      const { upstream, name: server } = this.#server;
      const why = { failure, detail };
      this.#services.log.event('warn', 'capabilities-unknown', { upstream: upstream.name, server, ...why });
    }
    this.#silent = true;
    this.lost();
    this.#heard();
  }
}
