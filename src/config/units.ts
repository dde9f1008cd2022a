import { isIP } from 'node:net';

/** `3s`, `500ms`, `1.5h` would be read by guessing: whole numbers of one unit only. */
export const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/;
export const SECONDS = /^(\d{1,9})(s|m|h|d)$/;
export const SIZE = /^(\d{1,9})(B|KiB|MiB|GiB)$/;
export const SHARE = /^(\d{1,3}(?:\.\d{1,3})?)%$/;

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const OCTETS: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Milliseconds; NaN where the text is no duration. */
export function parseDuration(text: string): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  return unit === undefined ? Number.NaN : Number(count) * MILLISECONDS[unit]!;
}

/** Octets; NaN where the text is no size. */
export function parseSize(text: string): number {
  const [, count, unit] = SIZE.exec(text) ?? [];
  return unit === undefined ? Number.NaN : Number(count) * OCTETS[unit]!;
}

/** From 0 to 1 for up to 100%; NaN where the text is no share. */
export function parseShare(text: string): number {
  return Number(SHARE.exec(text)?.[1]) / 100;
}

/** Takes apart what node:net's BlockList.addSubnet takes. */
export type Network = { address: string; prefix: number; family: 'ipv4' | 'ipv6' };

/** `192.0.2.0/24`, `2001:db8::/32`, or one address; null where the text is none of them. */
export function parseNetwork(text: string): Network | null {
  const [, address, length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address ?? '');
  if (address === undefined || version === 0 || address.includes('%')) return null;
  const bits = version === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  return prefix > bits ? null : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** Addresses and names that never leave the host. */
export function isLoopback(host: string): boolean {
  return /^127(\.\d{1,3}){3}$/.test(host) || host === '::1' || host.toLowerCase() === 'localhost';
}

/** Addresses that stand for every address of the host. */
export function isWildcard(address: string): boolean {
  return address === '::' || address === '0.0.0.0';
}
