import type { CommandName } from '../pop3/command.ts';
import type { Connection } from '../transport/transport.ts';
import type { Member } from './crowd.ts';
import type { Timed } from './deadlines.ts';
import { keepAliveLater } from './late-keepalive.ts';
import type { ProxyServices } from './listener.ts';
import { endOfRelay } from './reasons.ts';
import { Relay, type RelayEnd, type RelayEvents } from './relay.ts';
import type { SessionReport } from './session-report.ts';

/** A session, whether it has logged in or not. */
export interface Ongoing extends Member {
  /** The proxy stops: who has not begun to log in goes, all else goes on. */
  drain(): void;
  /** The grace time is over. */
  abort(): void;
}

/** Who keeps count of them. */
export interface Sessions {
  /** It has logged in, and goes on as another object. */
  followed(session: Ongoing, by: Ongoing): void;
  /** Over and logged. */
  gone(session: Ongoing): void;
}

/** What the client did before its login, for the log. */
type Counted = { attempts: number; lastCommand: CommandName | null };

/** A session from its login on: all that is kept of it while its client and its mailstore talk, or are silent. */
export class RelayedSession implements Ongoing, RelayEvents {
  place = 0;
  readonly #services: ProxyServices;
  readonly #report: SessionReport;
  readonly #attempts: number;
  readonly #lastCommand: CommandName | null;
  readonly #sessions: Sessions;
  readonly #keepAlive: Timed | null;
  readonly #relay: Relay;

  /** Takes both connections over. */
  constructor(
    { client, upstream }: { client: Connection; upstream: Connection },
    services: ProxyServices,
    report: SessionReport,
    { attempts, lastCommand }: Counted,
    sessions: Sessions,
  ) {
    this.#services = services;
    this.#report = report;
    this.#attempts = attempts;
    this.#lastCommand = lastCommand;
    this.#sessions = sessions;
    this.#keepAlive = keepAliveLater(services, upstream);
    report.enter('transaction');
    report.transferred(client.octetsOut, client.octetsIn);
    const { wheel, limits } = services;
    this.#relay = new Relay(client, upstream, wheel, limits.sessionIdleMs, this);
  }

  /** See Relay. */
  start(fromClient: Uint8Array, fromUpstream: Uint8Array, clientEnded: boolean): void {
    this.#relay.start(fromClient, fromUpstream, clientEnded);
  }

  drain(): void {}

  abort(): void {
    this.#report.end ??= 'shutdown';
    this.#relay.destroy();
  }

  transferred(toClient: number, toUpstream: number): void {
    this.#report.transferred(toClient, toUpstream);
  }

  finished(how: RelayEnd): void {
    this.#report.end ??= endOfRelay(how);
    if (this.#keepAlive !== null) this.#services.wheel.clear(this.#keepAlive);
    this.#report.close(this.#attempts, this.#lastCommand);
    this.#sessions.gone(this);
  }
}
