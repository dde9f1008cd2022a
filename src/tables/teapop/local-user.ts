/** From a login that was found to the account that the upstream session is opened for. */

import { lowerCase } from './letter-case.ts';
import type { AuthType } from './model.ts';

/**
 * 'mailbox': the last component of the mailbox. 'userid': what stands before the divider. 'uid': the uid field of
 * the domain entry, '+' being the userid. Any other text is a template that holds at least one of {userid},
 * {domain} (the login's, in lower case) and {mailbox} (what the rule 'mailbox' gives).
 */
export type LocalUserRule = string;

export const DEFAULT_LOCAL_USER_RULE: LocalUserRule = 'mailbox';

export type LocalUserFacts = {
  type: AuthType;
  userid: string;
  /** Of the login; null where it has none. */
  domain: string | null;
  mailbox: string;
  uid: string;
};

/** Names that a maildrop bears inside its owner's folder. */
const MAILDROP_NAMES = new Set(['Maildir', '.Maildir', 'Mailbox', '.Mailbox']);

const PLACEHOLDER = /\{([^{}]*)\}/g;
const PLACEHOLDER_NAMES = new Set(['userid', 'domain', 'mailbox']);

/** Whether a rule is one of the names or a template that makes sense. */
export function isLocalUserRule(rule: string): boolean {
  if (rule === 'mailbox' || rule === 'userid' || rule === 'uid') return true;
  const names = Array.from(rule.matchAll(PLACEHOLDER), (match) => match[1]!);
  return names.length > 0 && names.every((name) => PLACEHOLDER_NAMES.has(name));
}

/** The local user, or null where the rule gives nothing that could be one. */
export function localUser(rule: LocalUserRule, facts: LocalUserFacts): string | null {
  // The mailstore checks the password of the account itself, so that no other name can be meant.
  const name = facts.type === 'passwd' ? facts.userid : byRule(rule, facts);
  return name !== null && isUsable(name) ? name : null;
}

function byRule(rule: LocalUserRule, facts: LocalUserFacts): string | null {
  switch (rule) {
    case 'mailbox':
      return lastComponent(facts.mailbox);
    case 'userid':
      return facts.userid;
    case 'uid':
      return facts.uid.startsWith('+') ? facts.userid : facts.uid;
    default:
      return fill(rule, facts);
  }
}

function lastComponent(mailbox: string): string | null {
  const last = componentBefore(mailbox, mailbox.length);
  if (!MAILDROP_NAMES.has(last)) return last === '' ? null : last;
  const owner = componentBefore(mailbox, mailbox.lastIndexOf(last));
  return owner === '' ? null : owner;
}

/** The last one that is not empty of what stands before `end`; '' where there is none. */
function componentBefore(path: string, end: number): string {
  let stop = end;
  while (stop > 0 && path[stop - 1] === '/') stop--;
  // Not lastIndexOf with 0 for where nothing is left: it would look at the first octet.
  return stop === 0 ? '' : path.slice(path.lastIndexOf('/', stop - 1) + 1, stop);
}

function fill(template: string, facts: LocalUserFacts): string | null {
  const values: Record<string, string | null> = {
    userid: facts.userid,
    domain: facts.domain === null ? null : lowerCase(facts.domain),
    mailbox: lastComponent(facts.mailbox),
  };
  let complete = true;
  const name = template.replace(PLACEHOLDER, (_, key: string) => {
    const value = values[key];
    if (value) return value;
    complete = false;
    return '';
  });
  return complete ? name : null;
}

const UNUSABLE = /[\x00-\x1f\x7f/]/;

/** A name goes into commands to the mailstore and, there, into paths: no control octet, no '/', no folder's own name. */
function isUsable(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !UNUSABLE.test(name);
}
