import type { Fingerprints } from '../published/fingerprint.ts';
import type { StoredRow } from '../published/redis-row.ts';
import { CRYPT, PASSWORD_FORMS } from '../sources/stored-secrets.ts';
import type { DomainEntry } from '../teapop/model.ts';
import type { PasswordRow } from '../teapop/password-file.ts';

/** Whether the files and Redis would decide a login alike: of one login, what each of the two has. */
export type Sides = { files: Side<PasswordRow>; redis: Side<StoredRow> };

export type Side<Row> = {
  entry: DomainEntry | null;
  /** Path of the password file with its <max>; null for an entry without. */
  source: string | null;
  rows: readonly Row[];
};

/** Where they differ, each side in words without secrets. */
export type Difference = { what: string; files: string; redis: string };

export type Agreement = {
  differences: Difference[];
  /** False where passwords could not be compared for want of the fingerprint key. */
  complete: boolean;
  /** Lines stand elsewhere now: nothing is decided otherwise, but the files are not the ones that were synced. */
  moved: boolean;
};

/** @param fingerprints null where the key cannot be read here */
export function compare({ files, redis }: Sides, fingerprints: Fingerprints | null): Agreement {
  const entries = compareEntries(files.entry, redis.entry);
  const moved = (files.entry?.line ?? 0) !== (redis.entry?.line ?? 0);
  // Rows of two tables have nothing to say of each other.
  if (entries.some(({ what }) => WHO_DECIDES.has(what))) {
    return { differences: entries, complete: true, moved };
  }
  const rows = compareRows(files.rows, redis.rows, fingerprints);
  if (files.source !== redis.source) {
    entries.push({ what: 'password file', files: files.source ?? 'none', redis: redis.source ?? 'none' });
  }
  return {
    differences: [...entries, ...rows.differences],
    complete: rows.complete,
    moved: moved || rows.moved,
  };
}

const NOBODY = 'no entry';
const WHO_DECIDES = new Set(['entry', 'type']);

/** What an entry decides by, as the domain table calls it. */
const FIELDS: readonly [what: string, of: (entry: DomainEntry) => string][] = [
  ['entry', ({ domain, localName, localAddress }) => `${domain} for ${localName ?? localAddress}`],
  ['type', ({ type }) => type],
  ['address of the localip', ({ localAddress }) => localAddress],
  ['maildir', ({ maildir }) => maildir],
  ['hash levels', ({ hashLevels }) => String(hashLevels)],
  ['uid', ({ uid }) => uid],
  ['gid', ({ gid }) => gid],
  ['lock', ({ lockedOut }) => lockedOut ?? 'none'],
];

function compareEntries(files: DomainEntry | null, redis: DomainEntry | null): Difference[] {
  if (files === null || redis === null) {
    const named = (entry: DomainEntry | null) => (entry === null ? NOBODY : FIELDS[0]![1](entry));
    return files === redis ? [] : [{ what: 'entry', files: named(files), redis: named(redis) }];
  }
  return FIELDS.flatMap(([what, of]) =>
    of(files) === of(redis) ? [] : [{ what, files: of(files), redis: of(redis) }],
  );
}

function compareRows(
  files: readonly PasswordRow[],
  redis: readonly StoredRow[],
  fingerprints: Fingerprints | null,
): Agreement {
  if (files.length !== redis.length) {
    const count = (rows: readonly unknown[]) => (rows.length === 1 ? '1 line' : `${rows.length} lines`);
    return differing({ what: 'lines of the user', files: count(files), redis: count(redis) });
  }
  const pairs = files.map((file, i) => ({ file, stored: redis[i]! }));
  const samePasswords = pairs.map(({ file, stored }) => isSame(file, stored, fingerprints));
  const differences = pairs.flatMap(({ file, stored }, i): Difference[] => {
    if (file.mailbox !== stored.mailbox) {
      return [{ what: 'mailbox', files: file.mailbox, redis: stored.mailbox }];
    }
    return samePasswords[i] === false
      ? [{ what: 'password', files: 'changed since the sync', redis: 'as it was then' }]
      : [];
  });
  const moved = pairs.some(({ file, stored }) => file.line !== stored.line);
  return { differences, complete: !samePasswords.includes(null), moved };
}

function differing(difference: Difference): Agreement {
  return { differences: [difference], complete: true, moved: false };
}

/** Null where it cannot be told: a textfile's password is in Redis in a form that shows nothing of it. */
function isSame(file: PasswordRow, stored: StoredRow, fingerprints: Fingerprints | null): boolean | null {
  if (file.type === 'htpasswd') return file.hash === stored.secret || CRYPT + file.hash === stored.secret;
  if (fingerprints === null) return null;
  // A fingerprint covers what the password became.
  return PASSWORD_FORMS.some(
    (become) => fingerprints.row(become, file.userid, file.password, stored.mailbox) === stored.fingerprint,
  );
}
