import { z } from 'zod';
import { label, ownFlag, say, section } from './fields.ts';

/** What the tables' local-user rule knows besides the three fixed rules. */
export const RULES = ['mailbox', 'userid', 'uid'];
export const PLACEHOLDERS = ['userid', 'domain', 'mailbox'];

/** One of the fixed rules, or a template; one without a placeholder would send every user to the same maildrop. */
export function localUser() {
  const names = PLACEHOLDERS.map((name) => `{${name}}`).join(', ');
  const expected = say(
    'expected mailbox, userid, uid or a template',
    `a template has at least one of ${names}`,
  );
  const template = new RegExp(
    `^(?:${RULES.join('|')}|(?=.*\\{)(?:[!-z|~]|\\{(?:${PLACEHOLDERS.join('|')})\\}){1,256})$`,
  );
  return z
    .string({ error: expected })
    .regex(template, expected)
    .meta({ title: 'rule or template' })
    .describe(
      "What names the local account: mailbox (the mailbox path's last part), userid, uid, or a template " +
        `with ${names}, such as "{userid}-{domain}".`,
    );
}

const domain = section({
  local_user: localUser().nullable().default(null).describe('As `tables.local_user`; null for that one.'),
  upstream: label()
    .nullable()
    .default(null)
    .describe('Name of the upstream that serves it; null for the first.'),
  apop: ownFlag('As `tables.apop`; null for that one.'),
  scram: ownFlag('As `tables.scram`; null for that one.'),
});

/** `name` is the domain as the file has it. */
export type DomainConfig = z.output<typeof domain> & { name: string };

/** Keyed by domain in lower case. A Map, for a client chooses the name that is looked up in it. */
export function domains() {
  const expected = say(
    'expected a domain as the domain table has it',
    'visible ASCII without a colon; write IDNs as xn--…',
  );
  const record = z.record(z.string().regex(/^[!-9;-~]{0,255}$/, expected), domain, {
    error: 'expected domains',
  });
  return z
    .preprocess((value) => value ?? {}, record)
    .transform((entries, context): ReadonlyMap<string, DomainConfig> => {
      const map = new Map<string, DomainConfig>();
      for (const [name, settings] of Object.entries(entries)) {
        const message = say('a domain given twice', 'letter case makes no difference: keep one of the two');
        if (map.has(name.toLowerCase()))
          context.addIssue({ code: 'custom', path: [name], input: settings, message });
        map.set(name.toLowerCase(), { name, ...settings });
      }
      return map;
    })
    .prefault({})
    .describe("Exceptions for single domains, by the name of the domain table's entry.");
}
