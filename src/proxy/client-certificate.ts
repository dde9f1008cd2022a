import { CERTIFICATE_MISSING, CERTIFICATE_REFUSED } from '../pop3/reply.ts';
import type { TlsSession } from '../transport/transport.ts';

/** Why a TLS session is not to go on, and the client's last line. */
export type CertificateRefusal = {
  end: 'certificate-missing' | 'certificate-refused';
  farewell: Uint8Array;
};

const MISSING: CertificateRefusal = { end: 'certificate-missing', farewell: CERTIFICATE_MISSING };
const REFUSED: CertificateRefusal = { end: 'certificate-refused', farewell: CERTIFICATE_REFUSED };

/**
 * What a listener makes of the certificate that its client showed, or did not show. One that does not hold is refused
 * where none is required, too: whoever shows it means to be let in by it.
 */
export function certificateRefusal(required: boolean, tls: TlsSession | null): CertificateRefusal | null {
  if (tls !== null && tls.distrusted !== null) return REFUSED;
  return required && (tls === null || tls.peer === null) ? MISSING : null;
}
