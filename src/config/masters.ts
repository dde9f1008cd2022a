import { z } from 'zod';
import { section, visible } from './fields.ts';

const master = section({
  user: visible(1, 255).describe('Its login name, such as helpdesk@example.com.'),
  domains: z
    .array(
      z
        .string({ error: 'expected a domain' })
        .regex(/^[!-9;-~]{0,255}$/, 'expected a domain as the domain table has it')
        .transform((name) => name.toLowerCase()),
      { error: 'expected a list of domains, or null for all' },
    )
    .min(1, 'expected at least one domain, or null for all')
    .nullable()
    .default(null)
    .describe("Whose maildrops it may open, by the names of the domain table's entries; null for all."),
});

export const masters = z
  .preprocess((value) => value ?? [], z.array(master, { error: 'expected a list of user and domains' }))
  .prefault([])
  .describe(
    'Logins that may open the maildrops of others, by the authzid of SASL PLAIN, SCRAM-SHA-256 or EXTERNAL. An authzid of ' +
      'anybody else is refused.',
  );
