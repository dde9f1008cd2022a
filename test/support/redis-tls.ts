import type { RedisTls } from '../../src/tables/redis/link.ts';
import type { TestCertificates } from './tls.ts';

/** Options of redis-server: TLS on this port, and between servers. */
export function tlsServer({ caFile, ecdsa }: TestCertificates, port: number): string[] {
  return [
    ...[
      '--tls-port',
      String(port),
      '--tls-cert-file',
      ecdsa.certificateFile,
      '--tls-key-file',
      ecdsa.keyFile,
    ],
    ...['--tls-ca-cert-file', caFile, '--tls-auth-clients', 'no'],
    ...['--tls-replication', 'yes', '--tls-cluster', 'yes'],
  ];
}

/** How to reach such servers; the certificate names 127.0.0.1. */
export function tlsClient({ ca }: TestCertificates): RedisTls {
  return { ca, serverName: null, verify: true };
}
