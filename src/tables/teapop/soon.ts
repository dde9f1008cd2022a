/**
 * An answer that is at hand, or the promise of one. What is in memory is answered at once: most logins are decided
 * without a turn of the loop, and cost no promise.
 *
 * Where an answer is waited for, a function of its own does it (`…Later`): a closure in the one that goes on at once
 * would cost it a scope each time, taken or not.
 */
export type Soon<Answer> = Answer | Promise<Answer>;
