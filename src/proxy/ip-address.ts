/** IP addresses between their text and their octets, as headers and commands that speak of clients have them. */

const V4_OCTETS = 4;
const V6_OCTETS = 16;
const V6_GROUPS = 8;

/** No leading zeros: some would read them as octal. */
const V4 = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** The first 12 octets of an IPv4 address as IPv6 (RFC 4291 §2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** @returns 4 or 16 octets; null where the text is no address. A zone (`%eth0`) is none of an address. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

/** Canonical (RFC 5952), IPv4-mapped addresses as IPv4: alike for all that compare it with a socket's. */
export function formatAddress(octets: Uint8Array): string {
  if (octets.length === V4_OCTETS) return octets.join('.');
  if (MAPPED.every((octet, index) => octets[index] === octet))
    return octets.subarray(MAPPED.length).join('.');
  return formatV6(octets);
}

/** An IPv4 address as IPv6; an IPv6 address as it is. */
export function asV6(octets: Uint8Array): Uint8Array {
  return octets.length === V4_OCTETS ? Uint8Array.from([...MAPPED, ...octets]) : octets;
}

function parseV4(text: string): Uint8Array | null {
  const numbers = text.split('.').map(Number);
  return V4.test(text) && numbers.every((number) => number <= 255) ? Uint8Array.from(numbers) : null;
}

function parseV6(text: string): Uint8Array | null {
  const [head = '', tail, ...more] = text.split('::');
  const left = parseGroups(head, tail === undefined);
  const right = parseGroups(tail ?? '', true);
  if (left === null || right === null || more.length > 0) return null;
  const missing = V6_GROUPS - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...left, ...Array<number>(missing).fill(0), ...right];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** @param last whether they end the address, and so may end in dotted decimals (RFC 4291 §2.2) */
function parseGroups(text: string, last: boolean): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  const dotted = last && parts.at(-1)!.includes('.') ? parseV4(parts.pop()!) : undefined;
  if (dotted === null || !parts.every((part) => GROUP.test(part))) return null;
  const groups = parts.map((part) => Number.parseInt(part, 16));
  return dotted === undefined ? groups : [...groups, ...pairs(dotted)];
}

function pairs(octets: Uint8Array): number[] {
  return Array.from({ length: octets.length / 2 }, (_, index) => {
    return octets[2 * index]! * 256 + octets[2 * index + 1]!;
  });
}

function formatV6(octets: Uint8Array): string {
  const groups = pairs(octets.subarray(0, V6_OCTETS));
  const { start, length } = longestZeros(groups);
  const hex = (some: number[]) => some.map((group) => group.toString(16)).join(':');
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

/** The first of the longest runs. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > longest.length) longest = { start, length };
  }
  return longest;
}
