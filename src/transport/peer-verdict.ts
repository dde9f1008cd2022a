import type { X509Certificate } from 'node:crypto';
import { readPeerCertificate } from './peer-certificate.ts';
import type { PeerCertificate, TlsSession } from './transport.ts';

export type PeerVerdict = Pick<TlsSession, 'peer' | 'distrusted'>;

const NONE: PeerVerdict = { peer: null, distrusted: null };

/**
 * What a server makes of the certificate that a client showed.
 * @param certificate undefined where it showed none
 * @param fault the TLS library's code for why it does not hold; null where it holds
 * @param now ms since 1970
 */
export function verdictOn(
  certificate: X509Certificate | undefined,
  fault: string | null,
  now = Date.now(),
): PeerVerdict {
  if (certificate === undefined) return NONE;
  const read = readable(certificate);
  const reason = fault ?? (hasEnded(certificate, now) ? EXPIRED : read === null ? 'UNREADABLE' : null);
  if (reason === null) return { peer: read, distrusted: null };
  return { peer: null, distrusted: { certificate: read, reason } };
}

/** As both libraries say it. */
const EXPIRED = 'CERT_HAS_EXPIRED';

/** The library does not look again where a session resumes, and a ticket gives the next one, day after day. */
function hasEnded({ validTo }: X509Certificate, now: number): boolean {
  return !(Date.parse(validTo) >= now);
}

function readable(certificate: X509Certificate): PeerCertificate | null {
  try {
    return readPeerCertificate(certificate);
  } catch {
    return null;
  }
}
