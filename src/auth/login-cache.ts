import { createHmac, randomBytes } from 'node:crypto';
import { sized, varint } from '../tables/teapop/octets.ts';
import type { RejectReason } from './authenticator.ts';
import { Remembered } from './remembered.ts';
import { contextOf, type FoundRows } from './rows.ts';

/**
 * What passwords came out as, so that the same login need not be hashed again. Neither passwords nor hashes are kept:
 * a login is known again by HMAC-SHA-256, under a key that is drawn at the start and that nothing reads but this.
 *
 * The MAC is over all that the outcome rests on: the password, the table, the userid, and every row of it as it is
 * now. A row that has changed in any way is another login, whatever else is remembered. The tables are asked each
 * time: what is spared is the hash alone.
 *
 * What is wrong is remembered for all refusals alike, so that a second try tells no more than the first: an unknown
 * user is as fast then as a wrong password. Wrong ones have room of their own and push out nothing but each other.
 */
export interface LoginCache {
  /** The mark of a password against rows. */
  ofRows(found: FoundRows, password: string): string;
  /** The mark of a login that is refused whatever its password. */
  ofRefusal(reason: RejectReason, credentials: { user: string; password: string; authzid: string }): string;
  /** The row that a password matched by its place, null where it matched none, undefined where that is not known. */
  recall(mark: string): number | null | undefined;
  /** @param place as `recall` gives it; to be called where a hash was computed */
  keep(mark: string, place: number | null): void;
  readonly state: LoginCacheState;
}

/** Hits by what was remembered, hashes that had to be computed, and entries now. */
export type LoginCacheState = {
  hits: { accepted: number; rejected: number };
  misses: number;
  entries: { accepted: number; rejected: number };
};

export type LoginCacheOptions = {
  /** Entries. */
  accepted: number;
  rejected: number;
  /** Milliseconds from the last use. */
  idle: number;
  /** Milliseconds from the verification, however often it is used. */
  lifetime: number;
  /** Milliseconds from any start. */
  now?: () => number;
};

/** FIPS 198-1: as long as the hash's output. */
const KEY_OCTETS = 32;
/** Told apart by what goes first, so that no refusal has the mark of a password against rows. */
const OF_ROWS = 'login by rows 1';
const OF_REFUSAL = 'refusal 1';

/** @param options null where nothing is to be remembered */
export function createLoginCache(options: LoginCacheOptions | null): LoginCache {
  return options === null ? FORGETFUL : new KeyedLoginCache(options);
}

class KeyedLoginCache implements LoginCache {
  readonly #key = randomBytes(KEY_OCTETS);
  readonly #accepted: Remembered;
  readonly #rejected: Remembered;
  readonly #now: () => number;
  readonly #hits = { accepted: 0, rejected: 0 };
  #misses = 0;

  constructor({ accepted, rejected, idle, lifetime, now = () => performance.now() }: LoginCacheOptions) {
    this.#accepted = new Remembered({ entries: accepted, idle, lifetime });
    this.#rejected = new Remembered({ entries: rejected, idle, lifetime });
    this.#now = now;
  }

  get state(): LoginCacheState {
    const now = this.#now();
    const entries = { accepted: this.#accepted.size(now), rejected: this.#rejected.size(now) };
    return { hits: { ...this.#hits }, misses: this.#misses, entries };
  }

  ofRows(found: FoundRows, password: string): string {
    const { type, table, userid } = contextOf(found);
    const { domain } = found.entry;
    let octets =
      sized(OF_ROWS) + sized(type) + sized(domain) + sized(table) + sized(userid) + sized(password);
    for (const { secret, better = '', mailbox, line } of found.rows)
      octets += sized(secret) + sized(better) + sized(mailbox) + varint(line);
    return this.#mac(octets);
  }

  ofRefusal(reason: RejectReason, credentials: { user: string; password: string; authzid: string }): string {
    const { user, password, authzid } = credentials;
    return this.#mac(sized(OF_REFUSAL) + sized(reason) + sized(user) + sized(password) + sized(authzid));
  }

  recall(mark: string): number | null | undefined {
    const now = this.#now();
    const place = this.#accepted.recall(mark, now);
    if (place !== undefined) {
      this.#hits.accepted++;
      return place;
    }
    if (this.#rejected.recall(mark, now) === undefined) return undefined;
    this.#hits.rejected++;
    return null;
  }

  keep(mark: string, place: number | null): void {
    this.#misses++;
    if (place === null) this.#rejected.keep(mark, 0, this.#now());
    else this.#accepted.keep(mark, place, this.#now());
  }

  #mac(octets: string): string {
    return createHmac('sha256', this.#key).update(octets, 'latin1').digest('latin1');
  }
}

/** Remembers nothing. */
const FORGETFUL: LoginCache = {
  ofRows: () => '',
  ofRefusal: () => '',
  recall: () => undefined,
  keep() {},
  state: { hits: { accepted: 0, rejected: 0 }, misses: 0, entries: { accepted: 0, rejected: 0 } },
};
