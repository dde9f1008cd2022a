import { z } from 'zod';
import { path, say, section, variable, visible } from './fields.ts';

/** The two places that a secret may come from; the main file is none of them. */
export function secretSource(what: string) {
  return {
    password_file: path()
      .nullable()
      .default(null)
      .describe(`File that holds ${what}; one trailing newline is left out.`),
    password_env: variable()
      .nullable()
      .default(null)
      .describe(`Environment variable that holds ${what}, instead.`),
  };
}

const MODES = ['master', 'plain', 'secret'] as const;

const user = visible(1, 128).describe('The master user.');
const password = secretSource('the password');

const modes = section({
  master: section({
    user,
    ...password,
    separator: visible(1, 1)
      .default('*')
      .describe("What stands between the local user and the master user in Dovecot's login name."),
  })
    .optional()
    .describe("Log in as `localuser*master` with the master user's password."),
  plain: section({ user, ...password })
    .optional()
    .describe('Log in by SASL PLAIN: authzid is the local user, authcid the master user.'),
  secret: section(password)
    .optional()
    .describe('Log in as the local user with one password that is the same for all.'),
}).meta({ minProperties: 1, maxProperties: 1 });

type Password = { passwordFile: string | null; passwordEnv: string | null };

/** How the proxy logs in at the mailstore as the mapped local user. */
export type UpstreamLogin =
  | { mode: 'passthrough' }
  | { mode: 'row' }
  | ({ mode: 'master'; user: string; separator: string } & Password)
  | ({ mode: 'plain'; user: string } & Password)
  | ({ mode: 'secret' } & Password);

export function login() {
  const expected = 'expected passthrough, row, or one of master, plain and secret';
  return z
    .union([z.enum(['passthrough', 'row']), modes], { error: expected })
    .transform((value, context): UpstreamLogin => {
      if (value === 'passthrough' || value === 'row') return { mode: value };
      const { master, plain, secret } = value;
      const given = MODES.filter((mode) => value[mode] !== undefined);
      if (given.length !== 1) {
        const message = say(
          expected,
          given.length === 0 ? 'none is given' : `${given.join(' and ')} are given: keep one`,
        );
        context.addIssue({ code: 'custom', input: value, message });
      }
      if (master !== undefined) return { mode: 'master', ...master };
      if (plain !== undefined) return { mode: 'plain', ...plain };
      return secret === undefined ? z.NEVER : { mode: 'secret', ...secret };
    })
    .prefault('passthrough')
    .describe(
      "passthrough (the client's own password), row (the one that the user's row holds, which `sync` seals for that), or one of master, plain and secret with its settings.",
    );
}
