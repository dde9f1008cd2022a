/** Rows of a database's table → rows as a password file would hold them. Pure. */

import { DiagnosticLog, quote, type Report } from '../teapop/diagnostics.ts';
import type { Diagnostic, PasswordFileRef, SqlDialect, SqlSource } from '../teapop/model.ts';
import { sized } from '../teapop/octets.ts';
import type { PasswordRow } from '../teapop/password-file.ts';
import { useridIn } from '../teapop/table-id.ts';

/** Userid, password and mailbox as octet strings; null for NULL. */
export type SqlRow = readonly [userid: string | null, password: string | null, mailbox: string | null];

/**
 * Octets of a value that are read. No client can send a userid or password of more than a few hundred, and with a
 * bound no table, whatever it holds, takes more memory than a batch of rows may.
 */
export const MOST_OCTETS = 1_024;

/** For hashes of these methods the plain password could look the same, for all others it cannot. */
const MAY_BE_PLAIN = /^[^$]/;
/** A DES hash ends in a character of which the two lowest bits are 0: three of four words of its form are none. */
const DES_LENGTH = 13;
const DES_END = /[.26AEIMQUYcgkosw]$/;

export type SqlRowOptions = {
  /** Null where a text is a whole hash of crypt(3). */
  hashProblem?: ((text: string) => string | null) | undefined;
};

/**
 * What teapop makes of a row. For pgsql the password is plain text. For mysql it may be plain text or a crypt(3)
 * hash, and each row is tried as both; here a text of the form `$…$` that is a whole hash counts as a hash alone, so
 * that whoever read it cannot log in with it.
 */
export class SqlRows {
  readonly #ref: Pick<PasswordFileRef, 'id' | 'path'>;
  readonly #dialect: SqlDialect;
  readonly #options: SqlRowOptions;
  readonly #log: DiagnosticLog;
  #last: string | null = null;
  #rows = 0;
  #lockedOut = 0;

  constructor(ref: Pick<PasswordFileRef, 'id' | 'path'>, sql: SqlSource, options: SqlRowOptions) {
    this.#ref = ref;
    this.#dialect = sql.dialect;
    this.#options = options;
    this.#log = new DiagnosticLog(ref.path);
  }

  /** @param rows sorted by userid, for a userid that stands twice counts once */
  push(rows: readonly SqlRow[]): PasswordRow[] {
    return rows.flatMap((row) => this.#read(row));
  }

  end(): { rows: number; lockedOut: number; diagnostics: Diagnostic[] } {
    return { rows: this.#rows, lockedOut: this.#lockedOut, diagnostics: this.#log.list() };
  }

  #read([name, stored, mail]: SqlRow): PasswordRow[] {
    if (name === null) return [];
    const userid = useridIn(this.#ref.id, name);
    const password = stored === null ? null : this.#text(stored);
    // As the table spells it: what the client wrote, which teapop takes, is not known here.
    const mailbox = this.#text(mail ?? '') || name.slice(0, userid.length);
    const report = this.#fault(userid, [name, stored, mail], password);
    this.#last = userid;
    if (report !== null || password === null) {
      if (report !== null) this.#log.add(report);
      this.#lockedOut++;
      return [];
    }
    const rows = this.#forms(password).map((form): PasswordRow => ({ ...form, userid, mailbox, line: 0 }));
    this.#rows += rows.length;
    return rows;
  }

  /** To teapop, which gets it from the database as a C string, a text ends at a NUL (BINARY columns are filled up with them). */
  #text(octets: string): string {
    const end = octets.indexOf('\0');
    return end < 0 ? octets : octets.slice(0, end);
  }

  #fault(userid: string, values: SqlRow, password: string | null): Report | null {
    const common = { severity: 'warning', line: 0 } as const;
    if (userid === this.#last) {
      return {
        ...common,
        code: 'duplicate',
        reason: `user ${quote(userid)} stands in the table more than once: only the first row counts`,
        cure: 'remove the others, and make the column unique',
      };
    }
    if (password === null) {
      return {
        ...common,
        code: 'null-password',
        reason: `the password of user ${quote(userid)} is NULL: no login succeeds`,
        cure: 'set a password, or remove the row',
      };
    }
    if (values.every((value) => (value ?? '').length <= MOST_OCTETS)) return null;
    return {
      ...common,
      severity: 'error',
      code: 'too-long',
      reason: `a value in the row of user ${quote(userid)} has more than ${MOST_OCTETS} octets: no login succeeds`,
      cure: 'shorten it',
    };
  }

  /** What the stored text is tried as; a hash first, for it is cheaper to check. */
  #forms(stored: string): ({ type: 'textfile'; password: string } | { type: 'htpasswd'; hash: string })[] {
    const plain = { type: 'textfile', password: stored } as const;
    if (this.#dialect !== 'mysql' || !this.#isHash(stored)) return [plain];
    const hash = { type: 'htpasswd', hash: stored } as const;
    return MAY_BE_PLAIN.test(stored) ? [hash, plain] : [hash];
  }

  #isHash(stored: string): boolean {
    if (this.#options.hashProblem?.(stored) !== null) return false;
    return stored.length !== DES_LENGTH || DES_END.test(stored);
  }
}

/** The rows as octets that tell whether a table has changed. */
export function octetsOf(rows: readonly PasswordRow[]): Uint8Array {
  const texts = rows.map((row) => {
    const secret = row.type === 'textfile' ? row.password : row.hash;
    return [row.type, row.userid, secret, row.mailbox].map(sized).join('');
  });
  return Buffer.from(texts.join(''), 'latin1');
}
