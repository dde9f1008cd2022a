/**
 * The PROXY protocol's header, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt, 2020), as it is read. Octets in,
 * a verdict out: nothing of it is believed before the last octet of it is there.
 */
import type { Endpoint, Ends } from '../transport/transport.ts';
import { crc32c } from './crc32c.ts';
import { formatAddress, parseAddress } from './ip-address.ts';

/**
 * The longest header taken. A sender is to stay within 536 octets, but TLVs with names and client certificates go
 * beyond: 4,096 is also what nginx takes.
 */
export const HEADER_LIMIT = 4096;
/** §2.1: the longest line of version 1, CRLF included. */
const LINE_LIMIT = 107;

/** Why a header is refused. Bounded, for the log. */
export type HeaderFault =
  /** The first octets are those of no header. */
  'no-header' | 'too-long' | 'malformed' | 'unknown-version' | 'wrong-checksum';

export type HeaderReading =
  | { state: 'partial' }
  /**
   * `ends` is whose connection it is, source and destination; null where the header does not say (LOCAL, UNKNOWN,
   * other protocols): then the socket's own addresses hold. `unread` came behind the header.
   */
  | { state: 'whole'; length: number; ends: Ends | null; unread: Uint8Array }
  | { state: 'fault'; fault: HeaderFault };

type Parsed =
  | { state: 'whole'; length: number; ends: Ends | null }
  | Exclude<HeaderReading, { state: 'whole' }>;

const PARTIAL = { state: 'partial' } as const;

function faulty(fault: HeaderFault): { state: 'fault'; fault: HeaderFault } {
  return { state: 'fault', fault };
}

/** Reads one header in whatever pieces it comes, and keeps no more of them than a header may have. */
export class HeaderReader {
  #held: Uint8Array = new Uint8Array(0);

  /** Octets that it holds. */
  get held(): number {
    return this.#held.length;
  }

  /** Takes the next octets; not to be called again once the state is not 'partial'. `unread` is a view into them. */
  read(octets: Uint8Array): HeaderReading {
    const before = this.#held.length;
    const seen = new Uint8Array(Math.min(before + octets.length, HEADER_LIMIT));
    seen.set(this.#held);
    seen.set(octets.subarray(0, seen.length - before), before);
    const parsed = parseHeader(seen);
    if (parsed.state === 'partial') this.#held = seen;
    return parsed.state === 'whole' ? { ...parsed, unread: octets.subarray(parsed.length - before) } : parsed;
  }
}

function parseHeader(octets: Uint8Array): Parsed {
  if (octets.length === 0) return PARTIAL;
  if (startsAs(octets, LINE_START)) return parseLine(octets);
  return startsAs(octets, SIGNATURE) ? parseBinary(octets) : faulty('no-header');
}

/** Whether the octets are, as far as they go, those that begin a header. */
function startsAs(octets: Uint8Array, start: string): boolean {
  const length = Math.min(octets.length, start.length);
  return text(octets, 0, length) === start.slice(0, length);
}

function text(octets: Uint8Array, start: number, end: number): string {
  return Buffer.from(octets.buffer, octets.byteOffset + start, end - start).toString('latin1');
}

// Version 1 (§2.1)

const LINE_START = 'PROXY ';
const LINE = /^PROXY TCP([46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/;
const UNKNOWN = /^PROXY UNKNOWN(?: .*)?$/s;
const FAMILY_OCTETS = { '4': 4, '6': 16 } as const;

function parseLine(octets: Uint8Array): Parsed {
  const line = text(octets, 0, Math.min(octets.length, LINE_LIMIT));
  const end = line.indexOf('\n');
  if (end < 0) return line.length < LINE_LIMIT ? PARTIAL : faulty('too-long');
  // A single LF does not end it.
  if (line[end - 1] !== '\r') return faulty('malformed');
  const said = line.slice(0, end - 1);
  const ends = UNKNOWN.test(said) ? null : endsOfLine(said);
  return ends === undefined ? faulty('malformed') : { state: 'whole', length: end + 1, ends };
}

function endsOfLine(line: string): Ends | undefined {
  const [, family = '', source = '', destination = '', sourcePort, destinationPort] = LINE.exec(line) ?? [];
  const octets = FAMILY_OCTETS[family as '4' | '6'];
  const remote = endpoint(parseAddress(source), octets, Number(sourcePort));
  const local = endpoint(parseAddress(destination), octets, Number(destinationPort));
  return remote === null || local === null ? undefined : { remote, local };
}

function endpoint(address: Uint8Array | null, octets: number | undefined, port: number): Endpoint | null {
  if (address === null || address.length !== octets || port > 65_535) return null;
  return { address: formatAddress(address), port };
}

// Version 2 (§2.2)

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const FIXED_OCTETS = 16;
const COMMAND_AT = 12;
const LOCAL = 0;
const PROXY = 1;
const INET = 1;
const INET6 = 2;
const STREAM = 1;
const HIGHEST_PROTOCOL = 2;
/** By address family: none, IPv4, IPv6, UNIX. */
const ADDRESS_OCTETS = [0, 12, 36, 216] as const;

function parseBinary(octets: Uint8Array): Parsed {
  const command = octets[COMMAND_AT] ?? 0x20;
  if (command >> 4 !== 2) return faulty('unknown-version');
  if ((command & 0x0f) > PROXY) return faulty('malformed');
  if (octets.length < FIXED_OCTETS) return PARTIAL;
  const length = FIXED_OCTETS + octets[14]! * 256 + octets[15]!;
  if (length > HEADER_LIMIT) return faulty('too-long');
  if (octets.length < length) return PARTIAL;
  // What a LOCAL one holds is to be discarded, the family included.
  if ((command & 0x0f) === LOCAL) return { state: 'whole', length, ends: null };
  return parseBlock(octets.subarray(0, length));
}

function parseBlock(header: Uint8Array): Parsed {
  const { length } = header;
  const [family, protocol] = [header[13]! >> 4, header[13]! & 0x0f];
  const addresses = ADDRESS_OCTETS[family];
  if (addresses === undefined || protocol > HIGHEST_PROTOCOL) return faulty('malformed');
  // Without a family and a protocol nobody knows where addresses end and TLVs begin: all of it is skipped.
  if (family === 0 || protocol === 0) return { state: 'whole', length, ends: null };
  const tlvs = FIXED_OCTETS + addresses;
  const fault = tlvs > length ? 'malformed' : faultOfTlvs(header, tlvs);
  if (fault !== null) return faulty(fault);
  const known = protocol === STREAM && (family === INET || family === INET6);
  return { state: 'whole', length, ends: known ? endsOfBlock(header, (addresses - 4) / 2) : null };
}

function endsOfBlock(header: Uint8Array, octets: number): Ends {
  const destination = FIXED_OCTETS + octets;
  const ports = destination + octets;
  const at = (start: number, port: number): Endpoint => ({
    address: formatAddress(header.subarray(start, start + octets)),
    port: header[port]! * 256 + header[port + 1]!,
  });
  return { remote: at(FIXED_OCTETS, ports), local: at(destination, ports + 2) };
}

const TLV_HEAD = 3;
const TLV_CRC32C = 0x03;
const CRC_OCTETS = 4;

/** §2.2: TLVs are skipped by their length; a checksum must be right (§2.2.3). */
function faultOfTlvs(header: Uint8Array, start: number): HeaderFault | null {
  for (let at = start; at < header.length; ) {
    const value = at + TLV_HEAD;
    const end = value + (header[at + 1] ?? 0) * 256 + (header[at + 2] ?? 0);
    if (value > header.length || end > header.length) return 'malformed';
    if (header[at] === TLV_CRC32C) {
      if (end - value !== CRC_OCTETS) return 'malformed';
      if (!checksumHolds(header, value)) return 'wrong-checksum';
    }
    at = end;
  }
  return null;
}

/** Over the whole header, the checksum's own octets taken for zero. */
function checksumHolds(header: Uint8Array, at: number): boolean {
  const zeroed = header.slice().fill(0, at, at + CRC_OCTETS);
  return crc32c(zeroed) === new DataView(header.buffer, header.byteOffset + at).getUint32(0);
}
