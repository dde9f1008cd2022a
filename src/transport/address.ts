const IPV4_MAPPED = '::ffff:';

/** A listener on '::' sees IPv4 peers as ::ffff:192.0.2.1; logs, limits and tables want 192.0.2.1. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith(IPV4_MAPPED) && address.includes('.')
    ? address.slice(IPV4_MAPPED.length)
    : address;
}
