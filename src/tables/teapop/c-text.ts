/** What the C library makes of a text, where teapop leaves the meaning of a field to it. */

const LONG_MAX = 2n ** 63n - 1n;

/** atoi(3): leading white space, a sign, digits, whatever follows; 0 where there are none. */
export function atoi(text: string): number {
  const digits = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1];
  if (digits === undefined) return 0;
  // glibc: strtol stops at the limits of a long, of which an int keeps the low 32 bits.
  const long = BigInt(digits);
  return Number(BigInt.asIntN(32, long > LONG_MAX ? LONG_MAX : long < -LONG_MAX ? -LONG_MAX - 1n : long));
}

/**
 * inet_aton(3) of digits and dots, written as inet_ntoa(3) does: one to four parts, the last filling what is
 * left, a leading 0 making a part octal. Null where it is no address.
 */
export function inetAton(text: string): string | null {
  const parts = text.split('.');
  if (parts.length > 4) return null;
  const values = parts.map(partValue);
  const last = values.pop()!;
  const room = 256 ** (4 - values.length);
  if (values.some((value) => !(value < 256)) || !(last < room)) return null;
  const address = values.reduce((sum, value, i) => sum + value * 256 ** (3 - i), last);
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** NaN where the part is empty or no number in its base; it compares as false with any bound. */
function partValue(part: string): number {
  if (/^0[0-7]*$/.test(part)) return Number.parseInt(part, 8);
  return /^[1-9][0-9]*$/.test(part) ? Number(part) : Number.NaN;
}
