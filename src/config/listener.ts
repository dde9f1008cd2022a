import { z } from 'zod';
import {
  falseAsOff,
  integer,
  ipAddress,
  label,
  network,
  optionalSection,
  path,
  section,
  tlsMode,
  visible,
} from './fields.ts';

const plaintextAuth = z.union([z.enum(['never', 'always']), z.array(network())], {
  error: 'expected never, always or a list of networks',
});

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

export const tls = optionalSection(
  {
    certificates: z
      .preprocess(
        (value) => value ?? [],
        z.array(certificate, { error: 'expected a list of certificate and key' }),
      )
      .prefault([])
      .describe(
        'For listeners with TLS. The first serves clients that ask for a name that none of them holds.',
      ),
  },
  "The proxy's own certificates.",
);
