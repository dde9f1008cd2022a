import { z } from 'zod';
import { domains, localUser } from './domains.ts';
import {
  duration,
  flag,
  integer,
  ipAddress,
  optionalSection,
  path,
  seconds,
  section,
  sectionOrOff,
  visible,
} from './fields.ts';
import { listener, tls } from './listener.ts';
import { masters } from './masters.ts';
import { nearness } from './near.ts';
import { passwords } from './passwords.ts';
import { redis } from './redis.ts';
import { sync } from './sync.ts';
import { upstream } from './upstream.ts';
import { workers } from './workers.ts';

/**
 * Every setting, once: its type, default, bounds and meaning. The typed Config, the checks, the editor's schema
 * and the reference in docs/configuration.md come from here. In the Config durations are milliseconds, sizes
 * octets, and `off` is null where a whole section can be off.
 */

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
    sql: flag(
      true,
      'Serve the mysql and pgsql lines of the domain table; false: as a teapop that was built without databases.',
    ),
    accounts,
    local_user: localUser().default('mailbox'),
    server_field: flag(
      false,
      'Rows of textfiles and databases may name the server of the upstream that has the maildrop, behind the mailbox and a colon: `john:password:johnacme:store2`. It alone is asked then.',
    ),
    apop: flag(
      false,
      'Offer APOP and CRAM-MD5: `sync` keeps the passwords of textfiles sealed instead of hashed; needs ' +
        '`passwords.seal_key_file`.',
    ),
    scram: flag(
      false,
      'Offer SCRAM-SHA-256: `sync` keeps its keys instead of an Argon2id hash, where the password is not sealed; needs ' +
        '`passwords.seal_key_file`.',
    ),
    domains: domains(),
    masters,
    ...nearness,
  },
  'The teapop tables and how a virtual user becomes a local one.',
);

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
    idle: seconds('60s', '1s', '9h', 'Silence before the first probe.'),
    interval: seconds('15s', '1s', '9h', 'Time between two probes.'),
    count: integer(1, 127).default(4).describe('Unanswered probes after which the peer is given up.'),
    user_timeout: seconds('2m', '1s', '24h', 'How long sent octets may stay unacknowledged.'),
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
  sync,
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
  workers,
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
