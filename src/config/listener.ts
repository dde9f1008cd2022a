import { z } from 'zod';
import { capabilities } from './capabilities.ts';
import {
  duration,
  falseAsOff,
  flag,
  integer,
  ipAddress,
  label,
  network,
  optionalSection,
  path,
  say,
  section,
  sectionOrOff,
  tlsMode,
  visible,
} from './fields.ts';
import { mechanisms } from './mechanisms.ts';

const whoever = z.union([z.enum(['never', 'always']), z.array(network())], {
  error: 'expected never, always or a list of networks',
});

const expectedNetworks = say('expected a list of networks', 'those of the load balancers: [192.0.2.0/24]');

/** At least what a lost segment costs (proxy-protocol.txt, 2). */
const proxyProtocol = sectionOrOff(
  {
    from: z
      .array(network(), { error: expectedNetworks })
      .min(1, expectedNetworks)
      .describe('Networks of the load balancers; a connection from elsewhere is closed without a word.'),
    timeout: duration('5s', '3s', '1m', 'How long the header may take.'),
  },
  "For a load balancer in front that sends the PROXY protocol, version 1 or 2: every connection must begin with it, and its addresses are the client's; or off.",
  'off',
);

const ofTls13 = say(
  'expected ciphers of TLS 1.2 and below',
  'TLS 1.3 has three suites of its own, all of them sound: leave out the names that begin with TLS_',
);

const clientCertificates = sectionOrOff(
  {
    ca_file: path().describe('PEM file of the authorities whose client certificates are taken.'),
    require: flag(
      true,
      'Let nobody in without one, whatever the password; false takes clients without, too. One that does not hold is always refused.',
    ),
    identity: z
      .enum(['email', 'common_name'], { error: 'expected email, common_name or null' })
      .nullable()
      .default(null)
      .describe(
        'What of a certificate is a login name, so that its owner may log in without a password, by SASL EXTERNAL: email ' +
          '(the addresses of its subjectAltName) or common_name; null for nothing.',
      ),
  },
  'Ask clients for a certificate in the TLS handshake, besides the login or instead of it; or off.',
  'off',
);

export const listener = section({
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
  plaintext_auth: whoever
    .prefault('never')
    .describe(
      'Who may log in without TLS: never, always, or a list of client networks such as [192.0.2.0/24].',
    ),
  digest_auth: whoever
    .prefault('never')
    .describe(
      'Who may log in without TLS by APOP, CRAM-MD5 or SCRAM-SHA-256 alone, which do not send the password: never, ' +
        'always, or a list of networks.',
    ),
  mechanisms,
  min_tls: z
    .enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'], {
      error: 'expected TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3',
    })
    .default('TLSv1.2')
    .describe(
      'The oldest TLS version taken. Give old clients a listener of their own rather than lower it for all.',
    ),
  ciphers: visible(1, 4096)
    .refine((list) => !/(^|[:,])TLS_/.test(list), ofTls13)
    .nullable()
    .default(null)
    .describe(
      'OpenSSL cipher string for TLS 1.2 and below; null for ECDHE with AES-GCM or ChaCha20, and with `min_tls` below TLSv1.2 for AES-CBC, too.',
    ),
  cipher_preference: z
    .enum(['server', 'client'], { error: 'expected server or client' })
    .default('server')
    .describe('Whose order decides in TLS 1.2 and below where both know several ciphers.'),
  client_certificates: clientCertificates,
  spread: z
    .enum(['connections', 'clients'], { error: 'expected connections or clients' })
    .default('connections')
    .describe(
      'How `workers` share what comes: connections (each by itself), or clients (all from one address to the same worker, which remembers their logins and TLS sessions). Not clients where a balancer or NAT hides them.',
    ),
  proxy_protocol: proxyProtocol,
  capabilities,
});

const certificate = section({
  certificate: path().describe('PEM file with the certificate and its chain, the server certificate first.'),
  key: path().describe('PEM file with the private key, without a passphrase.'),
});

export const tls = optionalSection(
  {
    certificates: z
      .preprocess(
        (value) => value ?? [],
        z.array(certificate, { error: 'expected a list of certificate and key' }),
      )
      .prefault([])
      .describe(
        'For listeners with TLS. The first serves clients that ask for a name that none of them holds. Of those that hold a name each kind of key, ECDSA or RSA, has one.',
      ),
    session_lifetime: duration(
      '24h',
      '1m',
      '7d',
      'How long a session ticket lives, by which a client resumes without a full handshake; in TLS 1.3 each visit gives another.',
    ),
    ticket_secret_file: path()
      .nullable()
      .default(null)
      .describe(
        'File of 32 random octets or more, the same for all proxies of a site: sessions then resume at each of them and after restarts. On Node alone; null for a secret of the process.',
      ),
  },
  "The proxy's own certificates.",
);
