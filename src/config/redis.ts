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
            .describe('Name looked for in the certificate; null for the host.'),
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
  .describe('TLS towards Redis: false, true, or its settings.');

export const redis = optionalSection(
  {
    host: host().default('127.0.0.1').describe('Name or IP address of the Redis server.'),
    port: integer(1, 65535).default(6379).describe('TCP port of the Redis server.'),
    username: visible(1, 256).nullable().default(null).describe('ACL user; null for the default user.'),
    ...secretSource('its password'),
    database: integer(0, 1_000_000).default(0).describe('Number of the database.'),
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
