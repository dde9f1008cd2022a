import { pause } from './ports.ts';
import type { RunningSite } from './running-site.ts';
import { loginReply } from './site-clients.ts';

export const LET_IN = '+OK Logged in.';
export const TEMPORARY = /^-ERR \[SYS\/TEMP\] /;

type Person = { login: string; password: string };

/** Time between two tries: many fit into a failover, and a refusal takes longer than this. */
const TRY_EVERY = 50;

/** Logs in again and again until it succeeds; all replies. Rejects where that takes longer than `within` ms. */
export async function untilLetIn(site: RunningSite, person: Person, within = 60_000): Promise<string[]> {
  const replies: string[] = [];
  const deadline = Date.now() + within;
  while (replies.at(-1) !== LET_IN) {
    if (Date.now() > deadline) throw new Error(`${person.login} heard in vain: ${replies.join(', ')}`);
    replies.push(await loginReply(site, person));
    if (replies.at(-1) !== LET_IN) await pause(TRY_EVERY);
  }
  return replies;
}

/** Logs in again and again until `ended` settles; all replies. */
export async function repliesUntil(
  site: RunningSite,
  person: Person,
  ended: Promise<unknown>,
): Promise<string[]> {
  const replies: string[] = [];
  let over = false;
  void ended.finally(() => {
    over = true;
  });
  do {
    replies.push(await loginReply(site, person));
    await pause(TRY_EVERY);
  } while (!over);
  return replies;
}
