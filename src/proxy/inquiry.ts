import { UpstreamInquiry } from '../pop3/upstream-inquiry.ts';
import { Dialogue, type DialogueServices, type OpenFailure } from './dialogue.ts';
import { ownHeader } from './proxy-header-writer.ts';
import type { UpstreamServer } from './upstream.ts';

export type InquiryEvents = {
  /** Its capability lines; null where it has no CAPA. */
  answered(lines: readonly string[] | null): void;
  failed(failure: OpenFailure, detail: string): void;
  /** It has answered, and closed after QUIT; or did not in time. */
  left?(): void;
};

/** Asks one server of a mailstore for its capabilities, on a connection of its own. Either answers or fails, once. */
export class Inquiry {
  /** It has neither answered nor failed to. Afterwards the connection stands until the mailstore has closed it. */
  asking = true;
  readonly #dialogue: Dialogue;
  readonly #machine: UpstreamInquiry;

  constructor(server: UpstreamServer, services: DialogueServices, events: InquiryEvents) {
    const { tls, own, proxyProtocol, timeoutMs } = server.upstream;
    this.#machine = new UpstreamInquiry(tls, own);
    this.#dialogue = new Dialogue(server, this.#machine, services, {
      reached: (end) => {
        if (end.do !== 'answered') return;
        this.asking = false;
        events.answered(end.capabilities);
      },
      failed: (failure, detail) => {
        if (!this.asking) {
          events.left?.();
          return;
        }
        this.asking = false;
        events.failed(failure, detail);
      },
    });
    const header = proxyProtocol === null ? null : ownHeader(proxyProtocol);
    this.#dialogue.connect(header, performance.now() + timeoutMs);
  }

  /** Whom it talks to, or tried last. */
  get address(): string | null {
    return this.#dialogue.address;
  }

  /** Settled when it has answered. */
  get offersXclient(): boolean {
    return this.#machine.offersXclient;
  }

  cancel(): void {
    this.#dialogue.cancel();
  }
}
