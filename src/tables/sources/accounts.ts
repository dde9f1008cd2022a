import type { Accounts } from '../teapop/model.ts';
import { readSource, SourceUnreadable } from './source-file.ts';

/** Copies of the mailstore's passwd(5) and group(5) files. */
export type AccountFiles = { passwd: string; group: string };

/** @throws SourceUnreadable: without the accounts, everybody whose uid is a name would be locked out */
export async function readAccounts(files: AccountFiles): Promise<Accounts> {
  const [users, groups] = await Promise.all([readNames(files.passwd), readNames(files.group)]);
  return {
    hasUser: (name) => users.names.has(name),
    hasGroup: (name) => groups.names.has(name),
    hasUid: (uid) => users.ids.has(uid),
    hasGid: (gid) => groups.ids.has(gid),
  };
}

async function readNames(path: string): Promise<{ names: Set<string>; ids: Set<number> }> {
  let text = '';
  const fault = await readSource(path, 'any', (octets) => {
    text += Buffer.from(octets).toString('latin1');
  });
  if (fault !== null) throw new SourceUnreadable(`${path}: cannot be read as a list of accounts (${fault})`);
  const names = new Set<string>();
  const ids = new Set<number>();
  for (const line of text.split('\n')) {
    // Both files have the name first and the number third.
    const [name, , id] = line.split(':');
    if (!name || !id || name.startsWith('#')) continue;
    names.add(name);
    ids.add(Number(id));
  }
  return { names, ids };
}
