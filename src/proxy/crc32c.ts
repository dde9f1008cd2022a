/** CRC32c (Castagnoli; RFC 4960, Appendix B), bits reflected. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let value = octet;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

export function crc32c(octets: Uint8Array): number {
  let value = 0xffffffff;
  for (const octet of octets) value = TABLE[(value ^ octet) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}
