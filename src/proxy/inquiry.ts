import { UpstreamInquiry } from '../pop3/upstream-inquiry.ts';
import { Dialogue, type DialogueServices, type OpenFailure } from './dialogue.ts';
import { ownHeader } from './proxy-header-writer.ts';
import type { UpstreamServer } from './upstream.ts';

export type InquiryEvents = {
  /** Its capability lines; null where it has no CAPA. */
  answered(lines: readonly string[] | null): void;
  failed(failure: OpenFailure, detail: string): void;
};

/** Asks one server of a mailstore for its capabilities, on a connection of its own. Calls one of its events once. */
export class Inquiry {
  /** It has neither answered nor failed to. Afterwards the connection stands until the mailstore has closed it. */
  asking = true;
  readonly #dialogue: Dialogue;

  constructor(server: UpstreamServer, services: DialogueServices, events: InquiryEvents) {
    const { tls, own, proxyProtocol, timeoutMs } = server.upstream;
    this.#dialogue = new Dialogue(server, new UpstreamInquiry(tls, own), services, {
      reached: (end) => {
        if (end.do !== 'answered') return;
        this.asking = false;
        events.answered(end.capabilities);
      },
      failed: (failure, detail) => {
        if (!this.asking) return;
        this.asking = false;
        events.failed(failure, detail);
      },
    });
    const header = proxyProtocol === null ? null : ownHeader(proxyProtocol);
    this.#dialogue.connect(header, performance.now() + timeoutMs);
  }

  cancel(): void {
    this.#dialogue.cancel();
  }
}
