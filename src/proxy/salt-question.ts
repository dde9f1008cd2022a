import type { Authenticator, Salting } from '../auth/authenticator.ts';
import type { LoginFacts } from './login-facts.ts';

/** The first half of a login by SCRAM: what the client is to salt its password with. */
export class SaltQuestion {
  /** Of a login that comes no further than this. */
  readonly facts: LoginFacts;
  #cancelled = false;

  /** @param answered called once, unless the question is cancelled first */
  constructor(
    authenticator: Pick<Authenticator, 'salt'>,
    facts: LoginFacts,
    localAddress: string,
    answered: (salting: Salting) => void,
  ) {
    this.facts = facts;
    // Before anybody is called, the caller has this object in hand.
    Promise.resolve(authenticator.salt(facts.user, localAddress, facts.timings)).then((salting) => {
      if (!this.#cancelled) answered(salting);
    });
  }

  cancel(): void {
    this.#cancelled = true;
  }
}
