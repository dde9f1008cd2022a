/**
 * An answer that is at hand, or the promise of one. What is in memory is answered at once: most logins are decided
 * without a turn of the loop, and cost no promise.
 */
export type Soon<Answer> = Answer | Promise<Answer>;

/** Goes on with an answer at once where it is at hand. What is thrown from a promised one on, is a rejection. */
export function then<Answer, Next>(soon: Soon<Answer>, next: (answer: Answer) => Soon<Next>): Soon<Next> {
  return soon instanceof Promise ? soon.then(next) : next(soon);
}
