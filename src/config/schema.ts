import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { domains, localUser } from './domains.ts';
import {
  duration,
  falseAsOff,
  flag,
  host,
  integer,
  ipAddress,
  label,
  network,
  optionalSection,
  path,
  section,
  sectionOrOff,
  size,
  visible,
} from './fields.ts';
import { login, secretSource } from './login.ts';

/**
 * Every setting, once: its type, default, bounds and meaning. The typed Config, the checks, the editor's schema
 * and the reference in docs/configuration.md come from here. In the Config durations are milliseconds, sizes
 * octets, and `off` is null where a whole section can be off.
 */

const tlsMode = z.enum(['off', 'starttls', 'implicit'], { error: 'expected off, starttls or implicit' });

const plaintextAuth = z.union([z.enum(['never', 'always']), z.array(network())], {
  error: 'expected never, always or a list of networks',
});

const listener = section({
  name: label().describe(
    'Names the listener in logs and metrics; no two alike. Up to 32 of a-z, 0-9, _ and -.',
  ),
  address: ipAddress()
    .default('::')
    .describe('IP address to listen on; "::" takes every address, IPv4 as well.'),
  port: integer(0, 65535).describe(
    'TCP port: 110 for POP3, 995 for POP3 over TLS; 0 lets the system choose.',
  ),
  tls: z
    .preprocess(falseAsOff, tlsMode)
    .prefault('starttls')
    .describe(
      'starttls offers STLS, implicit begins every connection with TLS (port 995), off knows no TLS.',
    ),
  plaintext_auth: plaintextAuth
    .prefault('never')
    .describe(
      'Who may log in without TLS: never, always, or a list of client networks such as [192.0.2.0/24].',
    ),
  min_tls: z
    .enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'], {
      error: 'expected TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3',
    })
    .default('TLSv1.2')
    .describe(
      'The oldest TLS version taken. Give old clients a listener of their own rather than lower it for all.',
    ),
  ciphers: visible(1, 4096)
    .nullable()
    .default(null)
    .describe("OpenSSL cipher string for TLS 1.2 and below; null for the library's default."),
});

const certificate = section({
  certificate: path().describe('PEM file with the certificate and its chain, the server certificate first.'),
  key: path().describe('PEM file with the private key, without a passphrase.'),
});

const tls = optionalSection(
  {
    certificates: z
      .preprocess(
        (value) => value ?? [],
        z.array(certificate, { error: 'expected a list of certificate and key' }),
      )
      .default([])
      .describe(
        'For listeners with TLS. The first serves clients that ask for a name that none of them holds.',
      ),
  },
  "The proxy's own certificates.",
);

const accounts = z
  .union(
    [
      z.literal('any'),
      section({
        passwd: path().default('/etc/passwd').describe("The mailstore's passwd file, or a copy of it."),
        group: path().default('/etc/group').describe("The mailstore's group file, or a copy of it."),
      }),
    ],
    { error: 'expected any, or passwd and group' },
  )
  .prefault('any')
  .describe("Which uid and gid names exist on the mailstore's host: any takes all for existing.");

const tables = optionalSection(
  {
    source: z
      .enum(['redis', 'files'], { error: 'expected redis or files' })
      .default('redis')
      .describe(
        'redis: look up what `teapop-proxy sync` published. files: read the tables at the start, need no Redis.',
      ),
    domain_table: path()
      .default('/etc/teapop.passwd')
      .describe(
        "teapop's domain table; read by `sync` (source redis) or by the proxy itself (source files).",
      ),
    dividers: visible(1, 8)
      .default('@%')
      .describe('Characters of which the first one met in a login name ends the user.'),
    resolve_names: flag(true, 'Look up the localip names of the domain table in the DNS.'),
    accounts,
    local_user: localUser().default('mailbox'),
    domains: domains(),
  },
  'The teapop tables and how a virtual user becomes a local one.',
);

const redisTls = z
  .preprocess(
    (value) => (value === true ? {} : value === 'off' ? false : value),
    z.union(
      [
        z.literal(false),
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
  .transform((value) => (value === false ? null : value))
  .prefault(false)
  .describe('TLS towards Redis: false, true, or its settings.');

const redis = optionalSection(
  {
    host: host().default('127.0.0.1').describe('Name or IP address of the Redis server.'),
    port: integer(1, 65535).default(6379).describe('Its port.'),
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

const argon2 = optionalSection(
  {
    memory: size('19MiB', '8KiB', '4GiB', 'Memory that one hash takes.'),
    time: integer(1, 1000).default(2).describe('Passes over the memory.'),
    parallelism: integer(1, 64).default(1).describe('Lanes.'),
  },
  "Argon2id parameters for new hashes; the defaults are OWASP's minimum. Hashes already stored keep theirs.",
);

const passwords = optionalSection(
  {
    argon2,
    concurrency: integer(1, 256)
      .nullable()
      .transform((value) => value ?? availableParallelism())
      .prefault(null)
      .describe('Passwords verified at the same time; null for the number of CPUs.'),
    queue: integer(0, 1_000_000)
      .default(1000)
      .describe('Logins that may wait for it; more are answered [SYS/TEMP].'),
    fingerprint_key_file: path()
      .default('/var/lib/teapop-proxy/fingerprint.key')
      .describe('Key by which `sync` knows an unchanged password again; made by the first `sync`.'),
    seal_key_file: path()
      .nullable()
      .default(null)
      .describe('AES-256-GCM key that seals the passwords of domains with `apop: true`.'),
  },
  'How passwords are hashed and verified.',
);

const upstream = section({
  name: label().describe('Names the upstream in logs, metrics and `tables.domains`; no two alike.'),
  host: host().describe('Name or IP address of the mailstore.'),
  port: integer(1, 65535)
    .nullable()
    .default(null)
    .describe('Its port; null for 110, or 995 with `tls: implicit`.'),
  tls: z
    .preprocess(falseAsOff, tlsMode)
    .prefault('off')
    .describe('off, starttls (STLS demanded, never a fallback to plain), or implicit.'),
  ca_file: path()
    .nullable()
    .default(null)
    .describe("PEM file of the authorities trusted; null for the system's."),
  server_name: host()
    .nullable()
    .default(null)
    .describe('Name sent and looked for in the certificate; null for the host.'),
  verify: flag(true, 'Whether the certificate must be valid. Without it anybody can pose as the mailstore.'),
  login: login(),
  timeout: duration('20s', '100ms', '5m', 'One deadline over connect, TLS, greeting and login.'),
}).transform((value) => ({ ...value, port: value.port ?? (value.tls === 'implicit' ? 995 : 110) }));

const limits = optionalSection(
  {
    login_attempts: integer(1, 100)
      .default(3)
      .describe('Failed logins after which the connection is closed.'),
    failure_delay: duration('3s', '0s', '1m', 'How long every failed login waits for its answer.'),
    bad_commands: integer(1, 100)
      .default(5)
      .describe('Unknown or misplaced commands after which the connection is closed.'),
    login_time: duration('180s', '10s', '1h', 'All of the time before the login.'),
    line_time: duration('60s', '1s', '1h', 'Time between two lines before the login; at most login_time.'),
    handshake_time: duration('10s', '1s', '5m', 'Time for a TLS handshake.'),
    session_idle: duration(
      '30m',
      '10m',
      '24h',
      'Ends a session in which no octet flows. RFC 1939 §3 wants 10m at least.',
    ),
    connections: integer(1, 1_000_000)
      .default(10_000)
      .describe('Client connections at once, all listeners together.'),
  },
  'Bounds for clients.',
);

const keepalive = sectionOrOff(
  {
    idle: duration('60s', '1s', '9h', 'Silence before the first probe, whole seconds.'),
    interval: duration('15s', '1s', '9h', 'Time between two probes, whole seconds.'),
    count: integer(1, 127).default(4).describe('Unanswered probes after which the peer is given up.'),
    user_timeout: duration('2m', '1s', '24h', 'How long sent octets may stay unacknowledged, whole seconds.'),
  },
  'TCP keepalive and user timeout on both legs, so that a dead peer is noticed in minutes; or off.',
);

const admin = sectionOrOff(
  {
    address: ipAddress()
      .default('127.0.0.1')
      .describe('IP address to listen on. Anybody who reaches it can read it.'),
    port: integer(0, 65535).default(9110).describe('TCP port; 0 lets the system choose.'),
  },
  'HTTP listener for health and metrics (/livez, /readyz, /metrics); or off.',
);

const log = optionalSection(
  {
    level: z
      .enum(['error', 'warn', 'info', 'debug'], { error: 'expected error, warn, info or debug' })
      .default('info')
      .describe('info writes one line for each session, at its end.'),
  },
  'JSON lines on standard output.',
);

const shutdown = optionalSection(
  { grace: duration('30s', '0s', '24h', 'How long sessions may finish after SIGTERM.') },
  'How the proxy stops.',
);

const few = 1024; // far more than a host has ports in use; bounds what a file can make us open

export const configSchema = section({
  listeners: z
    .array(listener, { error: 'expected a list of listeners' })
    .min(1, 'expected at least one listener')
    .max(few, `expected at most ${few} listeners`)
    .describe('Where clients connect; at least one.'),
  tls,
  tables,
  redis,
  passwords,
  upstreams: z
    .array(upstream, { error: 'expected a list of upstreams' })
    .min(1, 'expected at least one upstream')
    .max(few, `expected at most ${few} upstreams`)
    .describe(
      'The mailstores; at least one. The first serves every domain that `tables.domains` sends to no other.',
    ),
  limits,
  keepalive,
  admin,
  log,
  shutdown,
}).describe('Settings of teapop-proxy.');

/** Durations in milliseconds, sizes in octets. */
export type Config = z.output<typeof configSchema>;
export type ListenerConfig = Config['listeners'][number];
export type UpstreamConfig = Config['upstreams'][number];

/** The editor's schema: what the file may hold, before defaults. */
export function jsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' });
}
