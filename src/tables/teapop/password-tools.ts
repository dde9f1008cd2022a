import type { TableId } from './model.ts';

/**
 * As what the plain passwords of a domain's table are kept: Argon2id hashes; the keys of SCRAM; or sealed, so that
 * they can be had again.
 */
export type Keeping = 'hashed' | 'scram' | 'sealed';

/**
 * What publishing needs to know of passwords; handed in, since the schemes are the business of auth/. Strings
 * are octet strings.
 */
export type PasswordTools = {
  /** A new Argon2id string. Runs off the event loop. */
  hash: (password: string) => Promise<string>;
  /** False for one made with other parameters than hash() uses: it is made anew when the sync can. */
  isCurrent: (stored: string) => boolean;
  /** Names those parameters, so that a change of them reaches tables whose files stayed the same. */
  hashSettings: string;
  /** Null where no key is configured: no domain can offer APOP then. */
  sealer: PasswordSealer | null;
  /** Null where no key is configured: no domain can offer SCRAM then. */
  scram: ScramMaker | null;
  /** Why no password can match a crypt(3) string, in words that hold no part of it; null where one can. */
  hashProblem: (hash: string) => string | null;
};

/** Where a row stands: what is made of its password for this place is of no use in another. */
export type Place = { table: TableId; userid: string };

export interface ScramMaker {
  /** Names the key of the salts and the iterations. */
  readonly settings: string;
  /** Runs off the event loop. */
  make(password: string, place: Place): Promise<string>;
  /** False for keys of another place, or that were made with other settings. */
  isCurrent(stored: string, place: Place): boolean;
}

export interface PasswordSealer {
  /** Names the key without telling it. */
  readonly keyId: string;
  seal(password: string, context: Place): string;
  /** False where another key sealed it. */
  isOwn(sealed: string): boolean;
}
