/** PROXY headers of version 2 as a sender makes them, and as none should; and how any of them is read. */
import assert from 'node:assert/strict';
import { crc32c } from '../../src/proxy/crc32c.ts';
import { parseAddress } from '../../src/proxy/ip-address.ts';
import { HEADER_LIMIT, HeaderReader, type HeaderReading } from '../../src/proxy/proxy-header.ts';

export const INET = 0x11;
export const INET6 = 0x21;
/** The type of the TLV that holds it. */
export const CHECKSUM = 0x03;

export function octets(text: string | Uint8Array): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'latin1') : Buffer.from(text);
}

/** @param command with the version: 0x21 is PROXY, 0x20 LOCAL */
export function block(command: number, family: number, body: string | Uint8Array): Buffer {
  const inside = octets(body);
  const fixed = Buffer.from([command, family, inside.length >> 8, inside.length & 0xff]);
  return Buffer.concat([octets('\r\n\r\n\0\r\nQUIT\n'), fixed, inside]);
}

export function address(source: string, destination: string, sourcePort: number, port: number): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort);
  ports.writeUInt16BE(port, 2);
  return Buffer.concat([parseAddress(source)!, parseAddress(destination)!, ports]);
}

export function tlv(type: number, value: string | Uint8Array): Buffer {
  const inside = octets(value);
  return Buffer.concat([Buffer.from([type, inside.length >> 8, inside.length & 0xff]), inside]);
}

/** The checksum stands between what is given. */
export function withChecksum(family: number, before: Buffer, behind: Buffer): Buffer {
  const header = block(0x21, family, Buffer.concat([before, tlv(CHECKSUM, '\0\0\0\0'), behind]));
  header.writeUInt32BE(crc32c(header), 16 + before.length + 3);
  return header;
}

/** The fault, 'partial', or both ends ('own' where the socket's hold) and what follows the header. */
export type Outcome = string | { remote: string; local: string; unread: string };

/** Fed in such pieces; the array of each is overwritten behind the reader's back. */
export function read(pieces: readonly Uint8Array[]): Outcome {
  const reader = new HeaderReader();
  let unread = '';
  let reading: HeaderReading = { state: 'partial' };
  for (const piece of pieces) {
    const own = Uint8Array.from(piece);
    if (reading.state === 'partial') {
      reading = reader.read(own);
      if (reading.state === 'whole') unread = Buffer.from(reading.unread).toString('latin1');
    } else unread += Buffer.from(piece).toString('latin1');
    own.fill(0x51);
    assert.ok(reader.held <= HEADER_LIMIT);
  }
  if (reading.state === 'fault') return reading.fault;
  if (reading.state === 'partial') return 'partial';
  const { ends } = reading;
  if (ends === null) return { remote: 'own', local: 'own', unread };
  const said = (end: { address: string; port: number }) => `${end.address} ${end.port}`;
  return { remote: said(ends.remote), local: said(ends.local), unread };
}
