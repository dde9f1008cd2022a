import type { Soon } from '../tables/teapop/soon.ts';
import type { Attempt } from './attempt.ts';
import type { RejectReason } from './authenticator.ts';
import type { LoginCache } from './login-cache.ts';
import { isSlowProof, type Proof, type Proven, tryProof } from './proofs.ts';
import { type FoundRows, isSlow, memoryOf, type Tried, tryRows } from './rows.ts';
import type { Outcome } from './verifier.ts';

/**
 * What a login costs: hashes are computed in turn, what fits nothing has the price of one in any case, and what was
 * hashed before is remembered.
 */

/** The price of a refusal whatever the password; the same password again is refused for nothing. */
export async function payRefusal(
  attempt: Attempt,
  reason: RejectReason,
  domain: string | null,
): Promise<Outcome<void>> {
  const { cache, credentials, dummy, dummyMemory, password } = attempt;
  // Of proofs each one is another, and whoever is there is to cost no more than whoever is not.
  const mark = 'password' in credentials ? cache.ofRefusal(reason, credentials) : null;
  const isKnown = () => mark !== null && cache.recall(mark) !== undefined;
  if (isKnown()) return { ran: true, value: undefined };
  return inTurn(attempt, dummyMemory, async () => {
    if (isKnown()) return;
    await dummy(password, domain);
    if (mark !== null) cache.keep(mark, null);
    refused(attempt);
  });
}

/** A proof that nothing must be hashed for is checked at once; one that fails has the price of a wrong password. */
export async function payProof(attempt: Attempt, found: FoundRows, proof: Proof): Promise<Outcome<Proven>> {
  const { passwords, dummy, dummyMemory } = attempt;
  const early = isSlowProof(found, proof) ? null : await tryProof(passwords, found, proof);
  if (early !== null && early.matched !== null) return { ran: true, value: early };
  return inTurn(attempt, dummyMemory, async () => {
    const proven = early ?? (await tryProof(passwords, found, proof));
    if (proven.matched !== null) return proven;
    await dummy('', found.entry.domain);
    if (proven.problems.length === 0) refused(attempt);
    return proven;
  });
}

/**
 * Rows that cost nothing are tried at once, others are remembered or tried in turn; either way a password that fits
 * none has its price, once.
 */
export function payPassword(attempt: Attempt, found: FoundRows): Soon<Outcome<Tried>> {
  if (isSlow(found)) return payFor(attempt, found, null);
  const early = tryRows(attempt.passwords, found, attempt.password);
  return early instanceof Promise ? paidLater(attempt, found, early) : paid(attempt, found, early);
}

async function paidLater(attempt: Attempt, found: FoundRows, early: Promise<Tried>): Promise<Outcome<Tried>> {
  return paid(attempt, found, await early);
}

function paid(attempt: Attempt, found: FoundRows, early: Tried): Soon<Outcome<Tried>> {
  return early.matched === null ? payFor(attempt, found, early) : { ran: true, value: early };
}

/** @param early what came of rows that cost nothing: none of them matched */
function payFor(attempt: Attempt, found: FoundRows, early: Tried | null): Soon<Outcome<Tried>> {
  const { cache, password } = attempt;
  const mark = cache.ofRows(found, password);
  const known = recalled(cache, mark, found);
  if (known !== null) return { ran: true, value: early ?? known };
  return hash(attempt, found, early, mark);
}

/** Of several that wait with the same password the first one's turn decides. */
function hash(
  attempt: Attempt,
  found: FoundRows,
  early: Tried | null,
  mark: string,
): Promise<Outcome<Tried>> {
  return inTurn(attempt, Math.max(attempt.dummyMemory, memoryOf(found)), async () => {
    return recalled(attempt.cache, mark, found) ?? compute(attempt, found, early, mark);
  });
}

function recalled(cache: LoginCache, mark: string, { rows }: FoundRows): Tried | null {
  const place = cache.recall(mark);
  if (place === undefined) return null;
  return { matched: place === null ? null : rows[place]!, heavy: false, problems: [] };
}

async function compute(
  attempt: Attempt,
  found: FoundRows,
  early: Tried | null,
  mark: string,
): Promise<Tried> {
  const { passwords, dummy, cache, password } = attempt;
  const tried = early ?? (await tryRows(passwords, found, password));
  const { matched, heavy, problems } = tried;
  if (matched === null && !heavy) await dummy(password, found.entry.domain);
  // What could not be checked is to be told each time, and is nobody's wrong password.
  if (problems.length > 0) return tried;
  cache.keep(mark, matched === null ? null : found.rows.indexOf(matched));
  if (matched === null) refused(attempt);
  return tried;
}

function refused({ standings, client, standsFor }: Attempt): void {
  standings.refused(client.address, standsFor);
}

/** The time of a verification includes the wait for its turn. */
async function inTurn<T>(attempt: Attempt, memory: number, task: () => Promise<T>): Promise<Outcome<T>> {
  const { verifier, standings, standsFor, client, now } = attempt;
  const standing = standings.of(client.address, standsFor);
  const start = now();
  try {
    return await verifier.run(task, { memory, standing, gone: client.gone });
  } finally {
    attempt.timings.verify = now() - start;
  }
}
