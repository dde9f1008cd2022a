/**
 * What a peer's certificate says of whose it is, read from its DER (RFC 5280, 4.1): both runtimes tell the alternative
 * names as one line of text, in which a comma inside a name passes for the next name.
 */
import type { PeerCertificate } from './transport.ts';

/** DER's tags, those met here (X.690, 8). */
const SEQUENCE = 0x30;
const EXTENSIONS = 0xa3;
const VERSION = 0xa0;
/** GeneralName's choices (RFC 5280, 4.2.1.6). */
const RFC822_NAME = 0x81;
const DNS_NAME = 0x82;
/** UTF8String, PrintableString, IA5String: the kinds of text that are octets of UTF-8 as they stand. */
const TEXT = new Set([0x0c, 0x13, 0x16]);
/** Object identifiers, as hexadecimal digits of their DER. */
const COMMON_NAME = '550403';
const ALTERNATIVE_NAMES = '551d11';

/** In a TBSCertificate without its version: serial, signature, issuer, validity, then the subject. */
const SUBJECT = 4;

type Element = { tag: number; content: Uint8Array };

/** What both runtimes' X509Certificate has. */
type Readable = { readonly raw: Uint8Array; readonly fingerprint256: string };

/** Throws an Error for what is no certificate in DER. */
export function readPeerCertificate(certificate: Readable): PeerCertificate {
  const [tbs] = elements(single(certificate.raw).content);
  const fields = elements(tbs!.content).filter(({ tag }, index) => index > 0 || tag !== VERSION);
  const subject = fields[SUBJECT];
  if (subject?.tag !== SEQUENCE) throw new Error('the certificate has no subject');
  const extensions = fields.find(({ tag }) => tag === EXTENSIONS);
  const names = extensions === undefined ? [] : alternativeNames(extensions.content);
  return {
    commonName: commonName(subject.content),
    names: { email: held(names, RFC822_NAME), dns: held(names, DNS_NAME) },
    fingerprint256: certificate.fingerprint256,
  };
}

/** The last one, which is the most specific (RFC 4514, 2.1). */
function commonName(subject: Uint8Array): string | null {
  const attributes = elements(subject).flatMap(({ content }) => elements(content));
  const values = attributes.flatMap(({ content }) => {
    const [type, value] = elements(content);
    return type !== undefined && value !== undefined && hex(type.content) === COMMON_NAME ? [value] : [];
  });
  const last = values.at(-1);
  if (last === undefined || !TEXT.has(last.tag)) return null;
  const text = octetString(last.content);
  return /[\x00-\x1f\x7f]/.test(text) ? null : text;
}

function alternativeNames(explicit: Uint8Array): Element[] {
  for (const { content } of elements(single(explicit).content)) {
    const parts = elements(content);
    const value = parts.at(-1);
    if (value === undefined || hex(parts[0]!.content) !== ALTERNATIVE_NAMES) continue;
    return elements(single(value.content).content);
  }
  return [];
}

/** A name that holds anything but visible ASCII is nobody's: a NUL has fooled others (CVE-2009-2408). */
function held(names: Element[], tag: number): string[] {
  const texts = names.filter((name) => name.tag === tag).map(({ content }) => octetString(content));
  return texts.filter((text) => /^[!-~]+$/.test(text));
}

function single(octets: Uint8Array): Element {
  const [first, second] = elements(octets);
  if (first === undefined || second !== undefined) throw new Error('the certificate is not one element');
  return first;
}

/** The elements that the octets consist of, one behind the other (X.690, 8.1). */
function elements(octets: Uint8Array): Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at < octets.length) {
    const { length, header } = lengthAt(octets, at + 1);
    const start = at + 1 + header;
    if (start + length > octets.length) throw new Error('the certificate is cut short');
    found.push({ tag: octets[at]!, content: octets.subarray(start, start + length) });
    at = start + length;
  }
  return found;
}

/** DER has no indefinite length, and a certificate none that takes more than three octets. */
function lengthAt(octets: Uint8Array, at: number): { length: number; header: number } {
  const first = octets[at] ?? 0xff;
  if (first < 0x80) return { length: first, header: 1 };
  const more = first & 0x7f;
  if (more < 1 || more > 3 || at + more >= octets.length)
    throw new Error('the certificate has a wrong length');
  let length = 0;
  for (let index = 1; index <= more; index += 1) length = length * 256 + octets[at + index]!;
  return { length, header: 1 + more };
}

function octetString(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1');
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('hex');
}
