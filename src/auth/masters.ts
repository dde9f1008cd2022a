import { lowerCase } from '../tables/teapop/letter-case.ts';
import { splitLogin } from '../tables/teapop/lookup.ts';

/** A login that may open the maildrops of others. Octet strings. */
export type Master = {
  user: string;
  /** The domain table's entries of those whose it may open, in lower case; null for all. */
  domains: readonly string[] | null;
};

export interface Masters {
  /** Whether a login is a master's at all. */
  isMaster(login: string): boolean;
  /** @param domain of the entry that decides for whom the master acts */
  mayAct(login: string, domain: string): boolean;
}

/** @param dividers teapop's */
export function createMasters(list: readonly Master[], dividers: string): Masters {
  const byName = new Map(list.map((master) => [loginKey(master.user, dividers), master]));
  const find = (login: string) => byName.get(loginKey(login, dividers));
  return {
    isMaster: (login) => find(login) !== undefined,
    mayAct(login, domain) {
      const master = find(login);
      return master !== undefined && (master.domains?.includes(domain) ?? true);
    },
  };
}

/** Whether two spellings are one login: the domain's letter case and the divider make no difference. */
export function sameLogin(one: string, other: string, dividers: string): boolean {
  return one === other || loginKey(one, dividers) === loginKey(other, dividers);
}

function loginKey(login: string, dividers: string): string {
  const { userid, domain } = splitLogin(login, dividers);
  // No userid holds a NUL: faultOf has turned those away.
  return domain === null ? userid : `${userid}\0${lowerCase(domain)}`;
}
