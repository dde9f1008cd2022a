import { type LocalUserRule, localUser } from '../tables/teapop/local-user.ts';
import {
  type Login,
  type LookupReason,
  type LookupResult,
  type LookupStep,
  lookup,
} from '../tables/teapop/lookup.ts';
import { mailboxPath, placedMailbox } from '../tables/teapop/mailbox.ts';
import type { DomainEntry, TableId, UserRow } from '../tables/teapop/model.ts';
import type { AuthenticatorOptions } from './attempt.ts';
import { createAuthenticator, faultOf } from './authenticate.ts';
import type { Account, RejectReason, UnavailableReason } from './authenticator.ts';
import { provableBy } from './proofs.ts';
import { contextOf } from './rows.ts';
import { inspectSecret, type SchemeName } from './scheme.ts';
import { createVerifier } from './verifier.ts';

/** A login's decision step by step, for the operator. Nothing here holds a password or a hash. */

/** Octet strings. `password` null: only what would decide is asked for. */
export type Question = { user: string; password: string | null; localAddress: string };

export type Explanation = {
  login: Login;
  /** The domains asked for, the last one being 'default'. */
  asked: readonly string[];
  /** In the order in which they were considered. */
  considered: readonly Considered[];
  /** The entry that decides; null where none does. */
  entry: DomainEntry | null;
  /** Why the tables alone turn the login away; null where they do not. */
  reason: LookupReason | null;
  /** The table that was asked for rows, and what it calls the userid; null where none was. */
  asking: { table: TableId; userid: string } | null;
  rows: readonly RowExplained[];
  verdict: Verdict;
};

export type Considered = { entry: DomainEntry; as: 'domain' | 'default'; matches: boolean };

export type RowExplained = {
  line: number;
  mailbox: string;
  /** That it names; null for none. */
  server: string | null;
  /** Of the maildrop. */
  path: string;
  /** Null where the rule gives none. */
  localUser: string | null;
  scheme: SchemeName;
  /** An Argon2id hash stands beside it and is checked in its place. */
  better: boolean;
  /** The mechanisms besides those that send the password. */
  mechanisms: readonly string[];
  /** Why no password can match it; null where one can. */
  problem: string | null;
};

export type Verdict =
  /** Without a password: whoever has the right one is let in, as `localUser`; null where rows name several. */
  | { result: 'found'; upstreamChecks: boolean; localUser: string | null }
  /** `row` is the place in `rows` of the one that accepts; null where the mailstore decides. */
  | { result: 'accepted'; account: Account; row: number | null }
  | { result: 'rejected'; reason: RejectReason }
  | { result: 'unavailable'; reason: UnavailableReason; problems: readonly string[] };

export type ExplainOptions = Pick<
  AuthenticatorOptions,
  'store' | 'dividers' | 'accounts' | 'passwords' | 'localUserRule' | 'serverField' | 'offers' | 'masters'
>;

/** Rejects with TablesUnavailable, or as the store does. */
export async function explain(options: ExplainOptions, question: Question): Promise<Explanation> {
  const { store, dividers, accounts } = options;
  let steps: LookupStep[] = [];
  const trace = (step: LookupStep) => {
    // A lookup that publications overtook begins anew.
    if (step.step === 'split') steps = [];
    steps.push(step);
  };
  const { user, localAddress } = question;
  const found = await lookup(store, user, localAddress, dividers, { accounts, trace });
  const asked = steps.find((step) => step.step === 'rows');
  const rows = found.result === 'rows' ? found.rows.map((row) => explainRow(options, found, row)) : [];
  return {
    login: found.login,
    asked: steps.flatMap((step) => (step.step === 'asked' ? step.domains : [])),
    considered: steps.flatMap((step) => (step.step === 'considered' ? [step] : [])),
    entry: found.entry,
    reason: found.result === 'none' ? found.reason : null,
    // Of that step no more than this: its rows have their secrets.
    asking: asked ? { table: asked.table, userid: asked.userid } : null,
    rows,
    verdict: await judge(options, question, found, rows),
  };
}

type Rows = Extract<LookupResult, { result: 'rows' }>;

function explainRow(options: ExplainOptions, found: Rows, row: UserRow): RowExplained {
  const { localUserRule, offers } = options;
  const { mailbox, server = null } = options.serverField
    ? placedMailbox(row.mailbox)
    : { mailbox: row.mailbox };
  const { entry } = found;
  const { type } = contextOf(found);
  const { scheme, problem } = inspectSecret(row.secret, type);
  return {
    line: row.line,
    mailbox,
    server,
    path: mailboxPath(entry, mailbox),
    localUser: localUserOf(localUserRule, found, mailbox),
    scheme,
    better: row.better !== undefined,
    mechanisms: provableBy(row.secret, type).filter(
      (mechanism) => offers?.(entry.domain, mechanism) ?? false,
    ),
    problem,
  };
}

function localUserOf(
  rule: (domain: string) => LocalUserRule,
  { entry, login }: { entry: DomainEntry; login: Login },
  mailbox: string,
): string | null {
  const { type, uid, domain } = entry;
  return localUser(rule(domain), { type, userid: login.userid, domain: login.domain, mailbox, uid });
}

async function judge(
  options: ExplainOptions,
  { user, password, localAddress }: Question,
  found: LookupResult,
  rows: readonly RowExplained[],
): Promise<Verdict> {
  if (password !== null) return decide(options, user, password, localAddress);
  const fault = faultOf({ user, password: '', authzid: '' });
  if (fault !== null) return { result: 'rejected', reason: fault };
  if (found.result === 'none') return { result: 'rejected', reason: found.reason };
  if (found.result === 'upstream') {
    const name = localUserOf(options.localUserRule, found, '');
    if (name === null) return { result: 'rejected', reason: 'unknown-user' };
    return { result: 'found', upstreamChecks: true, localUser: name };
  }
  return judgeRows(rows);
}

/** What is left to tell where no password is at hand. */
function judgeRows(rows: readonly RowExplained[]): Verdict {
  const usable = rows.filter(({ problem }) => problem === null);
  if (usable.length === 0) return { result: 'rejected', reason: 'wrong-password' };
  const [first, ...others] = new Set(usable.map((row) => row.localUser));
  if (others.length > 0) return { result: 'found', upstreamChecks: false, localUser: null };
  if (!first) return { result: 'unavailable', reason: 'no-local-user', problems: [] };
  return { result: 'found', upstreamChecks: false, localUser: first };
}

/** The authenticator itself decides; whoever lets in tells which row it was. */
async function decide(
  options: ExplainOptions,
  user: string,
  password: string,
  localAddress: string,
): Promise<Verdict> {
  const problems: string[] = [];
  let place: number | null = null;
  const authenticator = createAuthenticator({
    ...options,
    verifier: createVerifier({ concurrency: 1, queue: 0 }),
    // Nobody's time is measured here.
    dummy: async () => {},
    onError: ({ message }) => void problems.push(message),
    upgrader: {
      accepted: ({ rows }, row) => {
        place = rows.indexOf(row);
      },
    },
  });
  const credentials = { mechanism: 'PLAIN', user, password, authzid: '' } as const;
  const decision = await authenticator.authenticate(credentials, localAddress, { lookup: 0, verify: 0 });
  if (decision.result === 'accepted') return { result: 'accepted', account: decision.account, row: place };
  return decision.result === 'rejected' ? decision : { ...decision, problems };
}
