/**
 * Passwords as SCRAM hashes them (RFC 5802 §2.2): SASLprep, RFC 4013, which clients apply, too. Pure.
 *
 * Octets that are no UTF-8, and texts that SASLprep forbids, are taken as they are: the table's owner chose them, and
 * a client that refuses to send such a password is none that could ever log in. Unassigned code points and the
 * direction of a text are not checked, for the same reason.
 */

/** RFC 3454 B.1: mapped to nothing. */
const NOTHING = /\p{Variation_Selector}|\u00ad|\u034f|\u1806|\u200b|\u200c|\u200d|\u2060|\ufeff/gu;
/** C.1.2: spaces that are not ASCII's. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
/** C.2 to C.9 as Unicode has them: controls and formats, private use, surrogates, what is no text or no character. */
const FORBIDDEN =
  /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\ufffc\ufffd\u2ff0-\u2ffb]/u;
const ASCII = /^[ -~]*$/;

/** @param password octet string; @returns the octets to be hashed */
export function preparePassword(password: string): Buffer {
  const octets = Buffer.from(password, 'latin1');
  if (ASCII.test(password)) return octets;
  const text = utf8(octets);
  if (text === null) return octets;
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC');
  return FORBIDDEN.test(prepared) ? octets : Buffer.from(prepared, 'utf8');
}

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(octets: Buffer): string | null {
  try {
    return DECODER.decode(octets);
  } catch {
    return null;
  }
}
