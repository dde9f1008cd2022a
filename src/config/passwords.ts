import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { duration, integer, optionalSection, path, say, sectionOrOff, size } from './fields.ts';

/**
 * What auth/argon2.ts takes at most. A row that asks for more would exhaust a proxy's memory or hold its threads, so
 * that no proxy checks it: such hashes must not be made.
 */
const MOST_MEMORY = '256MiB';
const MOST_LANES = 16;

const argon2 = optionalSection(
  {
    memory: size('19MiB', '8KiB', MOST_MEMORY, 'Memory that one hash takes.'),
    time: integer(1, 1000).default(2).describe('Passes over the memory; memory × time is 2GiB at most.'),
    parallelism: integer(1, MOST_LANES).default(1).describe('Lanes that one hash is computed in.'),
  },
  "Argon2id parameters for new hashes; the defaults are OWASP's minimum. After a change the next `sync` hashes " +
    'every textfile anew.',
);

/** The crypt(3) methods that can be replaced, oldest first. scrypt and yescrypt are as good as Argon2id. */
export const UPGRADABLE = ['des', 'md5', 'nt', 'sun-md5', 'sha1', 'sha256', 'sha512', 'bcrypt'] as const;

const upgrade = z
  .array(z.enum(UPGRADABLE, { error: `expected one of ${UPGRADABLE.join(', ')}` }), {
    error: say('expected a list of crypt(3) methods', `of ${UPGRADABLE.join(', ')}; [] for none`),
  })
  .max(UPGRADABLE.length, `expected at most ${UPGRADABLE.length} methods`)
  .default(['des', 'md5'])
  .describe(
    'Methods of crypt(3) whose hashes get an Argon2id hash beside them in Redis when their password is used; the ' +
      `files stay as they are. Of ${UPGRADABLE.join(', ')}; \`[]\` for none.`,
  );

const cache = sectionOrOff(
  {
    accepted: integer(0, 10_000_000)
      .default(100_000)
      .describe('Right passwords remembered; of more, those used longest ago go. Half a KiB each.'),
    rejected: integer(0, 10_000_000)
      .default(10_000)
      .describe('Wrong ones besides, unknown users among them, so that they push out no right one.'),
    idle: duration('10m', '1s', '24h', 'How long each is remembered after its last use.'),
    lifetime: duration('24h', '1s', '24h', 'And how long after it was hashed, however often it is used.'),
  },
  'Remembers what passwords came out as, in memory alone and by a keyed MAC, so that the same login is not hashed ' +
    'again; a changed row ends it at once. Or off.',
);

export const passwords = optionalSection(
  {
    argon2,
    upgrade,
    cache,
    concurrency: integer(1, 256)
      .nullable()
      .transform((value) => value ?? availableParallelism())
      .prefault(null)
      .describe(
        'Passwords verified at the same time, in no more memory than so many times `argon2.memory`; null for the ' +
          'number of CPUs.',
      ),
    queue: integer(0, 1_000_000)
      .default(1000)
      .describe(
        'Logins that may wait for it, those of known users and good addresses first; of more, the last ones are ' +
          'answered [SYS/TEMP].',
      ),
    fingerprint_key_file: path()
      .default('/var/lib/teapop-proxy/fingerprint.key')
      .describe('Key by which `sync` knows an unchanged password again; made by the first `sync`.'),
    seal_key_file: path()
      .nullable()
      .default(null)
      .describe(
        'Key of 32 octets, the same for `sync` and all proxies: seals the passwords of domains with `apop: true` or an upstream with `login: row` ' +
          '(AES-256-GCM) and makes the salts of those with `scram: true`.',
      ),
    scram_iterations: integer(4096, 1_000_000)
      .default(65_536)
      .describe(
        'Iterations of SCRAM-SHA-256, which the client computes at each login; Cyrus SASL refuses more than 65536. ' +
          'After a change the next `sync` makes the keys anew.',
      ),
  },
  'How passwords are hashed and verified.',
);
