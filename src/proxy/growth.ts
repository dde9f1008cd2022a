/**
 * So many sessions more than at the last collection are worth the next: their logins' garbage, a few MB, has room in
 * what a fresh process has at hand.
 */
const FEWEST = 128;
/** Of all sessions, so that ever more of them cost ever fewer collections. */
const SHARE = 1 / 16;

/**
 * Calls for a collection as ever more sessions are open at once. Those that come and go are none of its business: what
 * they need is free again before the next one.
 */
export class Growth {
  readonly #collect: () => void;
  /** How many there were when it was called for last, or fewer that have been since. */
  #from = 0;
  #due = false;

  /** @param collect called in a turn of its own, where nobody waits for a reply in the middle of it */
  constructor(collect: () => void) {
    this.#collect = collect;
  }

  /** To be told of each change that may be one. */
  open(sessions: number): void {
    const enough = Math.max(FEWEST, this.#from * SHARE);
    if (sessions >= this.#from + enough) this.#call(sessions);
    // Only where clearly fewer are left: a number that sways is no growth.
    else if (sessions < this.#from - 2 * enough) this.#from = sessions;
  }

  #call(sessions: number): void {
    this.#from = sessions;
    if (this.#due) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      this.#collect();
    });
  }
}
