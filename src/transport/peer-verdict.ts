import type { X509Certificate } from 'node:crypto';
import { readPeerCertificate } from './peer-certificate.ts';
import type { PeerCertificate, TlsSession } from './transport.ts';

export type PeerVerdict = Pick<TlsSession, 'peer' | 'distrusted'>;

const NONE: PeerVerdict = { peer: null, distrusted: null };

/**
 * What a server makes of the certificate that a client showed.
 * @param certificate undefined where it showed none
 * @param fault the TLS library's code for why it does not hold; null where it holds
 */
export function verdictOn(certificate: X509Certificate | undefined, fault: string | null): PeerVerdict {
  if (certificate === undefined) return NONE;
  const read = readable(certificate);
  if (fault === null && read !== null) return { peer: read, distrusted: null };
  return { peer: null, distrusted: { certificate: read, reason: fault ?? 'UNREADABLE' } };
}

function readable(certificate: X509Certificate): PeerCertificate | null {
  try {
    return readPeerCertificate(certificate);
  } catch {
    return null;
  }
}
