import type { TableId } from './model.ts';

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
  /** Why no password can match a crypt(3) string, in words that hold no part of it; null where one can. */
  hashProblem: (hash: string) => string | null;
};

export interface PasswordSealer {
  /** Names the key without telling it. */
  readonly keyId: string;
  seal(password: string, context: { table: TableId; userid: string }): string;
  /** False where another key sealed it. */
  isOwn(sealed: string): boolean;
}
