import type { DomainEntry } from './model.ts';

/**
 * The full path of a maildrop: `<maildir>`, hash folders made of the mailbox's first octets, `<mailbox>`; with a
 * blank maildir the mailbox is the path. A trailing `/` means Maildir.
 */
export function mailboxPath(entry: Pick<DomainEntry, 'maildir' | 'hashLevels'>, mailbox: string): string {
  const root = entry.maildir + hashFolders(mailbox, entry.hashLevels);
  if (root === '') return mailbox;
  // teapop makes the root its file system's root, so that a mailbox that starts with '/' is below it, too.
  return root.replace(/\/+$/, '') + (mailbox.startsWith('/') ? '' : '/') + mailbox;
}

/** A mailbox, and the server that has it where one is named. */
export type PlacedMailbox = { mailbox: string; server?: string };

/**
 * Apart, where a site has named the server in a field of its own behind the mailbox: `john:secret:johnacme:store2`. (To
 * teapop all that stands behind the second colon is the mailbox.)
 */
export function placedMailbox(field: string): PlacedMailbox {
  const colon = field.indexOf(':');
  if (colon < 0) return { mailbox: field };
  const mailbox = field.slice(0, colon);
  const server = field.slice(colon + 1);
  return server === '' ? { mailbox } : { mailbox, server };
}

/** `/j/o` for two levels; fewer where the mailbox is shorter. */
function hashFolders(mailbox: string, levels: number): string {
  if (levels === 0) return '';
  return Array.from(mailbox.slice(0, levels), (octet) => `/${octet}`).join('');
}
