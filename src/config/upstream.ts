import { z } from 'zod';
import {
  duration,
  falseAsOff,
  flag,
  host,
  integer,
  label,
  path,
  section,
  tlsMode,
  trueAsOn,
} from './fields.ts';
import { login } from './login.ts';

export const upstream = section({
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
      'Connections opened ahead, up to the greeting, so that a login waits for no connect and no TLS; 0 for none. Each proxy has as many of its own.',
    ),
  preconnect_age: duration(
    '60s',
    '1s',
    '1h',
    'How old one of them may become; shorter than the mailstore waits for a login (Dovecot: 3 minutes).',
  ),
  login: login(),
  timeout: duration('20s', '100ms', '5m', 'One deadline over connect, TLS, greeting and login.'),
}).transform((value) => ({ ...value, port: value.port ?? (value.tls === 'implicit' ? 995 : 110) }));
