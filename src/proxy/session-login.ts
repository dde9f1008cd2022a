import type { Salting } from '../auth/authenticator.ts';
import type { Credentials, ScramSalt } from '../pop3/credentials.ts';
import type { LoginOutcome } from '../pop3/effect.ts';
import { Login, type LoginEnd, type LoginEvents, type LoginServices, type OpenedUpstream } from './login.ts';
import { newFacts } from './login-facts.ts';
import { outcomeOfDecision } from './reasons.ts';
import { SaltQuestion } from './salt-question.ts';
import type { SessionReport } from './session-report.ts';

export type SessionLoginEvents = {
  /** The answer to `ask`, where there is one. */
  told(salted: ScramSalt): void;
  /** How a login came out, or how far it came. */
  settled(outcome: LoginOutcome): void;
};

/** The logins of a session, one after the other: each asked, decided, proved, opened, and told to the report. */
export class SessionLogin implements LoginEvents {
  readonly #services: LoginServices;
  readonly #report: SessionReport;
  readonly #events: SessionLoginEvents;
  #running: Login | SaltQuestion | null = null;
  /** The client is shown a signature before this goes on. */
  #proved: Login | null = null;
  #upstream: OpenedUpstream | null = null;

  constructor(services: LoginServices, report: SessionReport, events: SessionLoginEvents) {
    this.#services = services;
    this.#report = report;
    this.#events = events;
  }

  get underWay(): boolean {
    return this.#running !== null;
  }

  /** Null before a login was accepted, and after it was handed over. */
  get upstream(): OpenedUpstream | null {
    return this.#upstream;
  }

  ask(user: string): void {
    this.#report.enter('authenticating');
    const facts = newFacts({ user, authzid: '', mechanism: 'SCRAM-SHA-256' });
    const { local } = this.#report;
    this.#running = new SaltQuestion(this.#services.authenticator, facts, local.address, (salting) =>
      this.#salted(salting),
    );
    this.#report.loginStarted(facts);
  }

  authenticate(credentials: Credentials): void {
    this.#proved = null;
    this.#report.enter('authenticating');
    const login = new Login(this.#services, credentials, this.#report, this);
    this.#running = login;
    this.#report.loginStarted(login.facts);
  }

  /** The login that was proved last goes on. */
  proceed(): void {
    const login = this.#proved!;
    this.#proved = null;
    this.#running = login;
    login.proceed();
  }

  /** Gives the upstream session away. */
  handOver(): OpenedUpstream {
    const upstream = this.#upstream!;
    this.#upstream = null;
    return upstream;
  }

  /** Never a QUIT to the mailstore: the client has not said one. */
  abandon(): void {
    if (this.#running !== null) this.#report.loginAbandoned();
    this.#running?.cancel();
    this.#running = this.#proved = null;
    this.#upstream?.connection.destroy();
    this.#upstream = null;
  }

  connecting(): void {
    this.#report.enter('connecting');
  }

  proved(login: Login, serverSignature: string): void {
    this.#running = null;
    this.#proved = login;
    this.#report.enter('authorization');
    this.#events.settled({ result: 'proved', serverSignature });
  }

  ended(end: LoginEnd): void {
    this.#report.loginEnded(end);
    this.#running = null;
    this.#upstream = end.upstream;
    if (end.upstream === null) this.#report.enter('authorization');
    this.#events.settled(end.outcome);
  }

  #salted(salting: Salting): void {
    if (salting.result === 'unavailable') {
      const { reason } = salting;
      this.ended({ outcome: outcomeOfDecision(reason), reason, upstream: null });
      return;
    }
    this.#running = null;
    this.#report.enter('authorization');
    this.#events.told(salting.salted);
  }
}
