import { z } from 'zod';
import { duration, flag, host, integer, optionalSection, path, section, visible } from './fields.ts';
import { secretSource } from './login.ts';

const redisTls = z
  .preprocess(
    (value) => (value === 'off' ? false : value),
    z.union(
      [
        z.boolean(),
        section({
          ca_file: path()
            .nullable()
            .default(null)
            .describe("PEM file of the authorities trusted; null for the system's."),
          server_name: host()
            .nullable()
            .default(null)
            .describe(
              'Name looked for in the certificates; null for the host as given here, or as Sentinels and nodes tell it.',
            ),
          verify: flag(true, 'Whether the certificate must be valid. Without it anybody can pose as Redis.'),
        }),
      ],
      { error: 'expected false, true or settings' },
    ),
  )
  .transform((value) => {
    if (typeof value !== 'boolean') return value;
    return value ? { caFile: null, serverName: null, verify: true } : null;
  })
  .prefault(false)
  .describe('TLS towards Redis, its Sentinels and all nodes: false, true, or its settings.');

/** More would be asked one after the other while none answers. */
const MOST_SERVERS = 64;

function servers(what: string, port: number, description: string) {
  const address = section({
    host: host().describe(`Name or IP address of ${what}.`),
    port: integer(1, 65535).default(port).describe('Its TCP port.'),
  });
  return z
    .array(address, { error: 'expected a list of hosts and ports' })
    .min(1, 'expected at least one of them')
    .max(MOST_SERVERS, `expected at most ${MOST_SERVERS} of them`)
    .nullable()
    .default(null)
    .describe(description);
}

const secretOfSentinels = secretSource('the password of the Sentinels');

export const redis = optionalSection(
  {
    host: host().default('127.0.0.1').describe('Name or IP address of the Redis server, where there is one.'),
    port: integer(1, 65535).default(6379).describe('TCP port of the Redis server.'),
    sentinels: servers(
      'a Sentinel',
      26379,
      'Sentinels, which tell who the master is; instead of `host`. null where there are none.',
    ),
    master: visible(1, 128)
      .nullable()
      .default(null)
      .describe('The name that the Sentinels have for the server; must be given with `sentinels`.'),
    sentinel_username: visible(1, 256)
      .nullable()
      .default(null)
      .describe("ACL user at the Sentinels; null for their default user. The server's own is `username`."),
    sentinel_password_file: secretOfSentinels.password_file,
    sentinel_password_env: secretOfSentinels.password_env,
    cluster: servers(
      'a node',
      6379,
      'Nodes of a Redis Cluster, of which any tells all others; instead of `host`. null where there is none.',
    ),
    username: visible(1, 256)
      .nullable()
      .default(null)
      .describe('ACL user at the Redis server, or at every node; null for the default user.'),
    ...secretSource('its password'),
    database: integer(0, 1_000_000).default(0).describe('Number of the database; a Cluster has 0 alone.'),
    prefix: z
      .string({ error: 'expected a key prefix' })
      .regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected 1 to 64 of the characters A-Z, a-z, 0-9, _, . and -')
      .default('teapop')
      .describe(
        'Begins every key, so that several sites can share one Redis. Up to 64 of A-Z, a-z, 0-9, _, . and -.',
      ),
    tls: redisTls,
    timeout: duration(
      '2s',
      '10ms',
      '1m',
      'How long a command may take before a login is answered [SYS/TEMP].',
    ),
  },
  'Where the published tables are; used with `tables.source: redis`.',
);
