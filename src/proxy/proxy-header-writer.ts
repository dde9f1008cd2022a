import type { Ends } from '../transport/transport.ts';
import { asV6, formatAddress, parseAddress } from './ip-address.ts';

/** The PROXY protocol's header for a mailstore that is set to take it: whose connection the next octets are. */
export function writeHeader(version: 'v1' | 'v2', ends: Ends): Uint8Array {
  const remote = octetsOf(ends.remote.address);
  const local = octetsOf(ends.local.address);
  if (remote === null || local === null) return version === 'v1' ? UNKNOWN_LINE : UNSPECIFIED;
  // Both of one family, whatever they are: where they are not, the IPv4 one is mapped, so that it is still told.
  const mixed = remote.length !== local.length;
  const addresses = mixed ? ([asV6(remote), asV6(local)] as const) : ([remote, local] as const);
  return version === 'v1' ? line(addresses, ends) : block(addresses, ends);
}

/** The header of a connection that is nobody's but the proxy's: the mailstore goes by the socket's own addresses. */
export function ownHeader(version: 'v1' | 'v2'): Uint8Array {
  return version === 'v1' ? UNKNOWN_LINE : LOCAL;
}

type Addresses = readonly [source: Uint8Array, destination: Uint8Array];

const UNKNOWN_LINE: Uint8Array = Buffer.from('PROXY UNKNOWN\r\n');
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const START = `${SIGNATURE}\x21`;
const UNSPECIFIED: Uint8Array = Buffer.from(`${START}\0\0\0`);
const LOCAL: Uint8Array = Buffer.from(`${SIGNATURE}\x20\0\0\0`);
const TCP_OVER_V4 = 0x11;
const TCP_OVER_V6 = 0x21;

/** A zone (`fe80::1%eth0`) is none of the address, and means nothing on another host. */
function octetsOf(address: string): Uint8Array | null {
  return parseAddress(address.replace(/%.*$/s, ''));
}

function line([source, destination]: Addresses, { remote, local }: Ends): Uint8Array {
  const v6 = source.length > 4;
  const said = (octets: Uint8Array) => {
    const short = formatAddress(octets);
    return v6 && !short.includes(':') ? `::ffff:${short}` : short;
  };
  const family = v6 ? 'TCP6' : 'TCP4';
  return Buffer.from(
    `PROXY ${family} ${said(source)} ${said(destination)} ${remote.port} ${local.port}\r\n`,
    'latin1',
  );
}

function block([source, destination]: Addresses, { remote, local }: Ends): Uint8Array {
  const family = source.length > 4 ? TCP_OVER_V6 : TCP_OVER_V4;
  const ports = [remote.port >> 8, remote.port & 0xff, local.port >> 8, local.port & 0xff];
  const length = 2 * source.length + ports.length;
  return Buffer.concat([
    Buffer.from(START, 'latin1'),
    Uint8Array.of(family, length >> 8, length & 0xff),
    source,
    destination,
    Uint8Array.from(ports),
  ]);
}
