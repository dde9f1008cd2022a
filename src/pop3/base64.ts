/** An octet string as base64 with its padding (RFC 4648 §4). */
export function encodeBase64(octets: string): string {
  return Buffer.from(octets, 'latin1').toString('base64');
}

/**
 * Strict base64 (RFC 4648 §3.3, §3.5): null for a foreign character, missing padding or stray bits. The runtime's
 * decoder is lax, so what it read is written again and compared.
 */
export function decodeBase64(text: string): string | null {
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? octets.toString('latin1') : null;
}
