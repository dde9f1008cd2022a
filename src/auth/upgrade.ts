import type { UserRow } from '../tables/teapop/model.ts';
import type { TableStore } from '../tables/teapop/store.ts';
import { type Argon2Params, hashPassword, needsRehash } from './argon2.ts';
import { type CryptMethodName, cryptMethod } from './crypt-method.ts';
import { effectivePhrase } from './effective-phrase.ts';
import { contextOf, type FoundRows } from './rows.ts';
import { cryptString } from './scheme.ts';
import type { Verifier } from './verifier.ts';

/**
 * Better hashes by use: a password that let somebody in by an old crypt(3) hash is hashed with Argon2id, and that
 * is kept beside the row. From then on it alone is checked.
 */

/** Methods that can be replaced; 'des' stands for BSDi's and bigcrypt, too. */
export type UpgradeMethod = Exclude<
  CryptMethodName,
  'bsdi-des' | 'scrypt' | 'yescrypt' | 'gost-yescrypt' | 'unknown'
>;

export interface Upgrader {
  /** Called where a password was accepted by a row. Returns at once and never throws; what is done is done later. */
  accepted(found: FoundRows, row: UserRow, password: string): void;
}

export type UpgradeOutcome = {
  /** 'skipped': logins had the verifier, or the source row has changed; the next login tries again. */
  result: 'stored' | 'skipped' | 'failed';
  /** Octet string. */
  userid: string;
  method: UpgradeMethod;
  /** Why it failed, without secrets; '' otherwise. */
  detail: string;
};

export type UpgraderOptions = {
  store: TableStore;
  verifier: Verifier;
  params: Argon2Params;
  methods: readonly UpgradeMethod[];
  onOutcome?: ((outcome: UpgradeOutcome) => void) | undefined;
  /** Milliseconds from the decision; see ANSWERED. */
  delay?: number;
  /** Milliseconds without a try after one that failed; see AFTER_FAILURE. */
  pause?: number;
};

/** By then the login is answered, in ms: what an upgrade costs falls into no login's time. */
const ANSWERED = 1_000;
/** Passwords held in memory meanwhile. A burst is left to later logins: old mail programs ask every few minutes. */
const MOST_PENDING = 64;
/** With Redis gone, or a user who may not write there, a hash for each login would be for nothing. */
const AFTER_FAILURE = 60_000;

/** Null where there is nothing to do: no method is named, or the tables are not kept where a hash can stand beside. */
export function createUpgrader(options: UpgraderOptions): Upgrader | null {
  return options.methods.length > 0 && options.store.keepBetter ? new QueuedUpgrader(options) : null;
}

/** The method of a stored hash where it is one that can be replaced. */
export function upgradeMethod(stored: string): UpgradeMethod | null {
  const { name, complete, excess } = cryptMethod(stored);
  // What $2x$ takes for the same phrase, the fault in it decides.
  if (!complete || excess !== null || stored.startsWith('$2x$')) return null;
  switch (name) {
    case 'bsdi-des':
      return 'des';
    case 'scrypt':
    case 'yescrypt':
    case 'gost-yescrypt':
    case 'unknown':
      return null;
    default:
      return name;
  }
}

/** One row to be upgraded. */
type Task = {
  table: string;
  userid: string;
  row: UserRow;
  method: UpgradeMethod;
  phrase: string;
};

class QueuedUpgrader implements Upgrader {
  readonly #options: UpgraderOptions;
  /** By table and userid: several sessions of one user are one task. */
  readonly #pending = new Set<string>();
  /** One at a time. */
  #last: Promise<void> = Promise.resolve();
  #pausedUntil = 0;

  constructor(options: UpgraderOptions) {
    this.#options = options;
  }

  accepted(found: FoundRows, row: UserRow, password: string): void {
    if (this.#isPaused()) return;
    const task = this.#taskFor(found, row, password);
    if (task === null) return;
    const key = `${task.table} ${task.userid}`;
    if (this.#pending.size >= MOST_PENDING || this.#pending.has(key)) return;
    this.#pending.add(key);
    const due = () => {
      this.#last = this.#last.then(() => this.#upgrade(task)).finally(() => this.#pending.delete(key));
    };
    setTimeout(due, this.#options.delay ?? ANSWERED).unref();
  }

  #isPaused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  #taskFor(found: FoundRows, row: UserRow, password: string): Task | null {
    const { methods, params } = this.#options;
    const { table, userid, type } = contextOf(found);
    const stored = cryptString(row.secret, type);
    const method = stored === null ? null : upgradeMethod(stored);
    if (stored === null || method === null || !methods.includes(method)) return null;
    if (row.better !== undefined && !needsRehash(row.better, params)) return null;
    const phrase = effectivePhrase(stored, password);
    return phrase === null ? null : { table, userid, row, method, phrase };
  }

  /** Never rejects. */
  async #upgrade({ table, userid, row, method, phrase }: Task): Promise<void> {
    const { store, verifier, params, onOutcome } = this.#options;
    const tell = (result: UpgradeOutcome['result'], detail = '') =>
      onOutcome?.({ result, userid, method, detail });
    if (this.#isPaused()) return tell('skipped');
    try {
      const hashed = await verifier.runSpare(() => hashPassword(phrase, params), params.memory);
      const kept = hashed.ran && (await store.keepBetter!(table, userid, row, hashed.value));
      tell(kept ? 'stored' : 'skipped');
    } catch (error) {
      this.#pausedUntil = performance.now() + (this.#options.pause ?? AFTER_FAILURE);
      tell('failed', error instanceof Error ? error.message : 'unknown error');
    }
  }
}
