import { z } from 'zod';
import { LOGIN_METHODS, type LoginMethod } from '../pop3/credentials.ts';
import { say } from './fields.ts';
import { sendsRow } from './routing.ts';
import type { Config, ListenerConfig } from './schema.ts';

/** Those that do not send the password, by the setting that makes the tables keep what they need. */
const NEEDS: Partial<Record<LoginMethod, keyof Offers>> = {
  APOP: 'apop',
  'CRAM-MD5': 'apop',
  'SCRAM-SHA-256': 'scram',
};

/** What domains offer besides logins that send the password. */
export type Offers = { apop: boolean; scram: boolean };

export const mechanisms = z
  .array(z.enum(LOGIN_METHODS, { error: `expected one of ${LOGIN_METHODS.join(', ')}` }), {
    error: say('expected a list of ways to log in', `of ${LOGIN_METHODS.join(', ')}; null for all`),
  })
  .min(1, 'expected at least one way to log in')
  .max(LOGIN_METHODS.length, `expected at most ${LOGIN_METHODS.length}`)
  .nullable()
  .default(null)
  .describe(
    'Ways to log in, announced and taken: USER (with PASS), APOP, PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256, EXTERNAL. null ' +
      'for the three that send the password, those that a domain offers (`tables.apop`, `tables.scram`), and EXTERNAL ' +
      'with `client_certificates.identity`.',
  );

/** What one domain offers, by the name of its entry in lower case. */
export function offersOf({ apop, scram, domains }: Config['tables'], domain: string): Offers {
  const own = domains.get(domain);
  return { apop: own?.apop ?? apop, scram: own?.scram ?? scram };
}

/** What at least one domain offers. */
export function someOffer(tables: Config['tables']): Offers {
  const all = [tables, ...[...tables.domains.keys()].map((domain) => offersOf(tables, domain))];
  return { apop: all.some(({ apop }) => apop), scram: all.some(({ scram }) => scram) };
}

/** As what a domain's passwords are kept in Redis: sealed they serve SCRAM, and the mailstore, too. */
export function keepingOf(
  config: Pick<Config, 'tables' | 'upstreams'>,
  domain: string,
): 'hashed' | 'scram' | 'sealed' {
  const { apop, scram } = offersOf(config.tables, domain);
  if (apop || sendsRow(config, domain)) return 'sealed';
  return scram ? 'scram' : 'hashed';
}

/** Whether a domain that offers this can be logged in to in this way. */
export function serves(method: LoginMethod, offers: Offers): boolean {
  const need = NEEDS[method];
  return need === undefined || offers[need];
}

/** The setting that a domain needs for it; null where any domain has it. */
export function settingFor(method: LoginMethod): keyof Offers | null {
  return NEEDS[method] ?? null;
}

/** The ways that a listener announces and takes. */
export function methodsOf(listener: ListenerConfig, tables: Config['tables']): LoginMethod[] {
  const { mechanisms: listed } = listener;
  const offers = someOffer(tables);
  const usable = (method: LoginMethod) =>
    method === 'EXTERNAL' ? knowsCertificates(listener) : serves(method, offers);
  return LOGIN_METHODS.filter((method) => listed?.includes(method) ?? usable(method));
}

/** Whether the certificate of a client says who it is. */
export function knowsCertificates({ clientCertificates }: ListenerConfig): boolean {
  return (clientCertificates?.identity ?? null) !== null;
}
