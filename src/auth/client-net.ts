/** One site has a /64 at least (RFC 6177 §2), and whoever has one has all its addresses. */
const GROUPS_OF_A_SITE = 4;
const GROUPS = 8;

/**
 * Whom to take for one client: an IPv4 address as it is, of an IPv6 address its /64, which is told by `::/64`.
 * @param address as a socket tells it, IPv4-mapped ones as IPv4
 */
export function clientNet(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, GROUPS - left.length - right.length)).fill('0');
  const groups = [...left, ...(tail === undefined ? [] : zeros), ...right].slice(0, GROUPS_OF_A_SITE);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
