import type { TableId } from '../teapop/model.ts';
import type { PasswordRow } from '../teapop/password-file.ts';
import type { Keeping, PasswordSealer, PasswordTools, ScramMaker } from '../teapop/password-tools.ts';

/** What plain passwords can become, as the fingerprints of their rows have it. */
export const PASSWORD_FORMS = ['argon2id', 'scram', 'sealed'] as const;

/** What the passwords of one table become on their way to Redis. */
export type Become = {
  /** Part of each row's fingerprint. */
  name: (typeof PASSWORD_FORMS)[number] | 'crypt';
  /** All settings that the stored form depends on. */
  settings: string;
  /** What the fingerprint calls the password: as the file has it. */
  source(row: PasswordRow): string;
  /** Whether a form stored before for the same user and password can stay. */
  stays(stored: string, userid: string): boolean;
  make(row: PasswordRow): Promise<string>;
};

export function becoming(
  table: TableId,
  type: PasswordRow['type'],
  keeping: Keeping,
  tools: PasswordTools,
): Become {
  if (type === 'htpasswd') return asItIs();
  switch (keeping) {
    case 'hashed':
      return withHashes(hashed(tools));
    case 'sealed':
      if (tools.sealer === null) throw new Error('a domain is to offer APOP, but no seal key is configured');
      return withHashes(sealed(table, tools.sealer));
    case 'scram':
      if (tools.scram === null) throw new Error('a domain is to offer SCRAM, but no seal key is configured');
      return withHashes(keyed(table, tools.scram));
  }
}

/** Marks a crypt(3) string among plain passwords, as a mysql table can hold both; the forms are listed in auth/scheme.ts. */
export const CRYPT = '{CRYPT}';

/** The crypt(3) rows of a table of passwords, see sql/rows.ts, stay as they are. */
function withHashes(passwords: Become): Become {
  return {
    ...passwords,
    // No password holds a NUL, so none has the fingerprint of a hash.
    source: (row) => (row.type === 'htpasswd' ? `\0${row.hash}` : passwords.source(row)),
    stays: (stored, userid) => stored.startsWith(CRYPT) || passwords.stays(stored, userid),
    make: async (row) => (row.type === 'htpasswd' ? CRYPT + row.hash : passwords.make(row)),
  };
}

/** A crypt(3) string shows no password. One that an upgrade replaced in Redis stays until its line changes. */
function asItIs(): Become {
  return { name: 'crypt', settings: '', source: hashOf, stays: () => true, make: async (row) => hashOf(row) };
}

function hashed(tools: PasswordTools): Become {
  return {
    name: 'argon2id',
    settings: tools.hashSettings,
    source: passwordOf,
    stays: (stored) => tools.isCurrent(stored),
    make: (row) => tools.hash(passwordOf(row)),
  };
}

function sealed(table: TableId, sealer: PasswordSealer): Become {
  return {
    name: 'sealed',
    settings: sealer.keyId,
    source: passwordOf,
    stays: (stored) => sealer.isOwn(stored),
    make: async (row) => sealer.seal(passwordOf(row), { table, userid: row.userid }),
  };
}

function keyed(table: TableId, scram: ScramMaker): Become {
  return {
    name: 'scram',
    settings: scram.settings,
    source: passwordOf,
    stays: (stored, userid) => scram.isCurrent(stored, { table, userid }),
    make: (row) => scram.make(passwordOf(row), { table, userid: row.userid }),
  };
}

function passwordOf(row: PasswordRow): string {
  if (row.type !== 'textfile') throw new TypeError('an htpasswd row has no password');
  return row.password;
}

function hashOf(row: PasswordRow): string {
  if (row.type !== 'htpasswd') throw new TypeError('a textfile row has no hash');
  return row.hash;
}
