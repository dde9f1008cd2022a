import { createPasswords } from '../../src/auth/scheme.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../src/tables/teapop/lookup.ts';
import type { Accounts } from '../../src/tables/teapop/model.ts';
import type { TableStore } from '../../src/tables/teapop/store.ts';
import type { TableTexts } from './memory-tables.ts';

/** A recorded login: what teapop was given and what it answered. Octet strings. */
export type VectorLogin = { user: string; pass: string; accept: boolean; mailbox?: string };

/** Table texts with logins; `{dir}` in them stands for any folder, the password files are in `{dir}/pw`. */
export type VectorSet = {
  id: string;
  note?: string;
  'teapop.passwd': string | null;
  files: Record<string, string>;
  localAddress: string;
  logins: VectorLogin[];
};

const FOLDER = '/site';

/** The host that the logins were recorded on knew this account and this group. */
const NOBODY_ID = 65534;
export const VECTOR_ACCOUNTS: Accounts = {
  hasUser: (name) => name === 'nobody',
  hasGroup: (name) => name === 'nogroup',
  hasUid: (uid) => uid === NOBODY_ID,
  hasGid: (gid) => gid === NOBODY_ID,
};

/** The texts of a set, its folder filled in. */
export function textsOf(set: VectorSet, folder = FOLDER): TableTexts {
  const fill = (text: string) => text.replaceAll('{dir}', folder);
  const files = Object.entries(set.files).map(([name, text]) => [`${folder}/pw/${name}`, fill(text)]);
  return {
    domainTable: set['teapop.passwd'] === null ? null : fill(set['teapop.passwd']),
    passwordFiles: Object.fromEntries(files),
    accounts: VECTOR_ACCOUNTS,
    hosts: { localhost: '127.0.0.1' },
  };
}

export type Verdict = { accept: false } | { accept: true; mailbox: string };

const passwords = createPasswords({ sealer: null });

/** Decides a login as the proxy does, but for what a mailstore would say of a passwd entry: that host had no users. */
export async function decide(store: TableStore, set: VectorSet, login: VectorLogin): Promise<Verdict> {
  const found = await lookup(store, login.user, set.localAddress, DEFAULT_DIVIDERS, {
    accounts: VECTOR_ACCOUNTS,
  });
  if (found.result !== 'rows') return { accept: false };
  const { entry, rows } = found;
  const type = entry.type === 'htpasswd' ? 'htpasswd' : 'textfile';
  const context = { type, table: entry.table!, userid: found.login.userid } as const;
  for (const row of rows) {
    const matches = await passwords.verify(row.secret, login.pass, context);
    if (matches) return { accept: true, mailbox: row.mailbox };
  }
  return { accept: false };
}

/** Null where both agree, else a line that tells the difference. */
export function disagreement(set: VectorSet, login: VectorLogin, verdict: Verdict): string | null {
  const ours = verdict.accept ? `accepted, mailbox ${JSON.stringify(verdict.mailbox)}` : 'rejected';
  const mailbox = login.mailbox === undefined ? '' : `, mailbox ${JSON.stringify(login.mailbox)}`;
  const agree =
    verdict.accept === login.accept &&
    (!verdict.accept || login.mailbox === undefined || verdict.mailbox === login.mailbox);
  const theirs = login.accept ? `accepted${mailbox}` : 'rejected';
  return agree ? null : `${set.id}: ${JSON.stringify(login.user)}: ${theirs} by teapop, ${ours} here`;
}
