import { statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';
import { secretFileFindings } from './secrets.ts';

/** Octets: as strong as the keys that come from it. */
export const LEAST_TICKET_SECRET = 32;

/** What the TLS library of this runtime says, and the file of the tickets' secret. */
export function tlsFindings({ listeners, tls }: Config): Finding[] {
  return [
    ...listeners.flatMap(({ ciphers }, index) => cipherFindings(ciphers, ['listeners', index, 'ciphers'])),
    ...ticketSecretFindings(tls.ticketSecretFile, ['tls', 'ticket_secret_file']),
  ];
}

function cipherFindings(ciphers: string | null, path: Path): Finding[] {
  try {
    if (ciphers !== null) createSecureContext({ ciphers });
    return [];
  } catch {
    // Node and Bun have libraries of their own, which know different ciphers.
    const library = process.versions.bun === undefined ? 'OpenSSL' : 'BoringSSL';
    const hint = 'names as `openssl ciphers` prints them, with colons between; null for those that are sound';
    return [wrong(path, `${library} knows no cipher of it`, hint)];
  }
}

function ticketSecretFindings(file: string | null, path: Path): Finding[] {
  if (file === null) return [];
  const findings = secretFileFindings(file, path);
  if (findings.some((finding) => finding.severity === 'error')) return findings;
  if (statSync(file).size >= LEAST_TICKET_SECRET) return findings;
  const hint = `head -c ${LEAST_TICKET_SECRET} /dev/urandom > ${file}`;
  return [...findings, wrong(path, `${file} has fewer than ${LEAST_TICKET_SECRET} octets`, hint)];
}
