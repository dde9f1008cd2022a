import { UpstreamGreeting } from '../pop3/upstream-greeting.ts';
import { Dialogue, type DialogueServices } from './dialogue.ts';
import { takeLeave } from './farewell.ts';
import { ownHeader } from './proxy-header-writer.ts';
import type { UpstreamServer } from './upstream.ts';
import type { ServerOutcome } from './upstream-pool.ts';

/**
 * Goes to a server as far as a login does before it says whose it is: TCP, the PROXY header, the greeting, TLS. So a
 * server that logins cannot use does not look well. `done` is called once, unless cancelled first.
 */
export class ServerCheck {
  readonly #dialogue: Dialogue;

  constructor(server: UpstreamServer, services: DialogueServices, done: (outcome: ServerOutcome) => void) {
    const { tls, own, proxyProtocol, connectTimeoutMs, timeoutMs } = server.upstream;
    this.#dialogue = new Dialogue(server, new UpstreamGreeting(tls, own), services, {
      reached: () => {
        takeLeave(this.#dialogue.release(), services.wheel);
        done({ ok: true });
      },
      failed: (failure, detail) => {
        done({ ok: false, failure, detail, address: this.#dialogue.address, loginSent: false });
      },
    });
    const header = proxyProtocol === null ? null : ownHeader(proxyProtocol);
    this.#dialogue.connect(header, performance.now() + Math.min(connectTimeoutMs, timeoutMs));
  }

  cancel(): void {
    this.#dialogue.cancel();
  }
}
