/** How the systems' and the TLS libraries' errors become the transport's few kinds. */
import type { TransportError } from './transport.ts';

type Kind = TransportError['kind'];

const KIND_BY_CODE: ReadonlyMap<string, Kind> = new Map([
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ECONNABORTED', 'reset'],
  ['ETIMEDOUT', 'timeout'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETDOWN', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
  ['EPROTO', 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
]);

/** The two spellings of the libraries' own codes: OpenSSL's in Node, BoringSSL's in Bun. */
const TLS_LIBRARY_CODE = /^ERR_(SSL|OSSL|TLS)_/;

/** Both libraries name what X509_verify_cert() found by these codes (x509_vfy.h without `X509_V_ERR_`). */
const CERTIFICATE_CODE = /CERT|ISSUER|CRL|_CA$|SIGNATURE|HOSTNAME_MISMATCH|PATH_LENGTH|PURPOSE|VIOLATION/;

function kindOf(code: string): Kind {
  const known = KIND_BY_CODE.get(code);
  if (known !== undefined) return known;
  if (TLS_LIBRARY_CODE.test(code)) return 'tls';
  return CERTIFICATE_CODE.test(code) ? 'certificate' : 'other';
}

/** The code that an error carries, '' where it has none. */
export function errorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

export function transportError(error: unknown): TransportError {
  const code = errorCode(error);
  const message = (error instanceof Error ? error.message : String(error)).trim();
  // Some texts ("Failed to connect") say less than the code.
  return {
    kind: kindOf(code),
    message: code === '' || message.includes(code) ? message : `${code}: ${message}`,
  };
}
