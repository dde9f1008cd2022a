import { z } from 'zod';
import {
  duration,
  falseAsOff,
  flag,
  host,
  integer,
  label,
  optionalSection,
  path,
  section,
  tlsMode,
  trueAsOn,
} from './fields.ts';
import { login } from './login.ts';

/** Each costs every login a few nanoseconds, and Prometheus some series. */
const MOST_SERVERS = 256;

/** HAProxy's. */
const MOST_WEIGHT = 256;

/** How often servers are checked where there are several and nothing is said. */
const USUAL_CHECK_MS = 10_000;

const server = section({
  name: label()
    .nullable()
    .default(null)
    .describe(
      'Names the server in logs, metrics and table rows, and binds its users to it: with a name of its own it can move to another host without them. null for host:port.',
    ),
  host: host().describe('Name or IP address; one with several addresses is one server all the same.'),
  port: integer(1, 65535).nullable().default(null).describe("Its port; null for the upstream's."),
  weight: integer(0, MOST_WEIGHT)
    .default(1)
    .describe('Its share of the users, beside the weights of the others; 0: those that a table sends there.'),
});

const expectedServers = `expected a list of 1 to ${MOST_SERVERS} servers`;

const interval = z
  .preprocess(
    falseAsOff,
    z.union([z.literal('off'), z.null(), duration('10s', '100ms', '1h', 'Time between two checks.')], {
      error: 'expected off, null or a duration',
    }),
  )
  .prefault(null)
  .describe(
    'How often each server is connected to, up to its greeting, TLS included: an interval, or off to learn from logins alone; null for 10s where there are several servers, off for one. From 100ms to 1h.',
  );

const health = optionalSection(
  {
    check: interval,
    fall: integer(1, 100)
      .default(3)
      .describe('Failures in a row, of logins and checks, after which a server counts as down.'),
    retry: duration(
      '1s',
      '100ms',
      '1h',
      'From there until it is tried again; twice as long after each try that fails.',
    ),
    max_retry: duration('1m', '100ms', '24h', 'The longest time between two such tries.'),
  },
  'When a server counts as down, so that its users go to others.',
);

const settings = section({
  name: label().describe('Names the upstream in logs, metrics and `tables.domains`; no two alike.'),
  host: host()
    .nullable()
    .default(null)
    .describe('Name or IP address of the mailstore, where it is one server.'),
  servers: z
    .array(server, { error: expectedServers })
    .min(1, expectedServers)
    .max(MOST_SERVERS, expectedServers)
    .nullable()
    .optional()
    .describe(
      'The servers of the mailstore, instead of `host`. A user always meets the same one, by a hash of the local user; while it is down, another one.',
    ),
  port: integer(1, 65535)
    .nullable()
    .default(null)
    .describe('Their port; null for 110, or 995 with `tls: implicit`.'),
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
    .describe("Name sent and looked for in the certificate; null for each server's host."),
  verify: flag(true, 'Whether the certificate must be valid. Without it anybody can pose as the mailstore.'),
  proxy_protocol: z
    .preprocess(
      (value) => (value === null ? 'off' : falseAsOff(value)),
      z.enum(['off', 'v1', 'v2'], { error: 'expected off, v1 or v2' }),
    )
    .prefault('off')
    .describe(
      'Begin every connection with a PROXY header that tells the client, before TLS: for a mailstore that is set to read it. off, v1 or v2.',
    ),
  xclient: flag(
    false,
    'Tell the mailstore the client by XCLIENT, where its greeting offers that, as Dovecot does to trusted networks.',
  ),
  pipelining: z
    .preprocess(trueAsOn, z.enum(['auto', 'on', 'off'], { error: 'expected auto, on or off' }))
    .prefault('auto')
    .describe(
      'Send all lines of a login at once, which saves a round trip: auto where the mailstore announces PIPELINING, on, or off.',
    ),
  preconnect: integer(0, 1000)
    .default(0)
    .describe(
      'Connections opened ahead to each server, up to the greeting, so that a login waits for no connect and no TLS; 0 for none. Each proxy has as many of its own.',
    ),
  preconnect_age: duration(
    '60s',
    '1s',
    '1h',
    'How old one of them may become; shorter than the mailstore waits for a login (Dovecot: 3 minutes).',
  ),
  login: login(),
  timeout: duration(
    '20s',
    '100ms',
    '5m',
    'One deadline over connect, TLS, greeting and login, whatever servers are tried.',
  ),
  connect_timeout: duration(
    '5s',
    '100ms',
    '1m',
    'How long one server may take up to its greeting, TLS included, where another one is left to try, and in a check; no longer than timeout.',
  ),
  health,
});

export type ServerConfig = {
  name: string;
  host: string;
  port: number;
  weight: number;
};

/** `servers` are all of them, the one of `host` too, which has the upstream's name; empty where neither is given, which is reported elsewhere. */
export const upstream = settings.transform((value) => {
  const port = value.port ?? (value.tls === 'implicit' ? 995 : 110);
  const listed = value.servers ?? [];
  const single = value.host === null ? [] : [{ name: value.name, host: value.host, port, weight: 1 }];
  const servers = (listed.length > 0 ? listed : single).map((each): ServerConfig => {
    const own = { host: each.host, port: each.port ?? port, weight: each.weight };
    return { name: each.name ?? hostAndPort(own), ...own };
  });
  const { check } = value.health;
  const usual = servers.length > 1 ? USUAL_CHECK_MS : null;
  return {
    ...value,
    port,
    listed: listed.length > 0,
    servers,
    health: { ...value.health, check: check === 'off' ? null : (check ?? usual) },
  };
});

function hostAndPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
