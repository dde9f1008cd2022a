import type { AuthType, DomainEntry } from '../teapop/model.ts';

/** What the published tables look like in Redis, but for the rows of users (redis-row.ts). */

/** Raised with each change that an older reader would misread. */
export const FORMAT = 1;

/** When a hash was switched in. Generations count the publications of a site from 1. */
export type Stamp = { format: number; generation: number };

export function encodeStamp(generation: number): string {
  return `${FORMAT}.${generation}`;
}

/** Null for what no version wrote. */
export function decodeStamp(value: Buffer): Stamp | null {
  const match = /^(\d{1,9})\.(\d{1,15})$/.exec(value.toString('latin1'));
  return match === null ? null : { format: Number(match[1]), generation: Number(match[2]) };
}

/** Of the domain table. `publishedAt` in ms since 1970; `source` tells an unchanged table, see fingerprint.ts. */
export type DomainsMeta = {
  publishedAt: number;
  source: string;
  domains: number;
  entries: number;
  tables: number;
  users: number;
  rows: number;
};

/** Of a password table. */
export type TableMeta = {
  source: string;
  type: 'textfile' | 'htpasswd';
  path: string;
  max: number;
  users: number;
  rows: number;
};

export function encodeMeta(meta: DomainsMeta | TableMeta): Buffer {
  return Buffer.from(JSON.stringify(meta), 'latin1');
}

/** @throws SyntaxError */
export function decodeMeta<Meta extends DomainsMeta | TableMeta>(value: Buffer): Meta {
  return JSON.parse(value.toString('latin1')) as Meta;
}

type PackedEntry = [
  ordinal: number,
  line: number,
  localAddress: string,
  localName: string | null,
  type: AuthType,
  maildir: string,
  hashLevels: number,
  uid: string,
  gid: string,
  table: string | null,
  lockedOut: string | null,
];

/** The entries of one domain, in file order. */
export function encodeEntries(entries: readonly DomainEntry[]): Buffer {
  return Buffer.from(JSON.stringify(entries.map(pack)), 'latin1');
}

/** @throws SyntaxError */
export function decodeEntries(domain: string, generation: number, value: Buffer): DomainEntry[] {
  const packed = JSON.parse(value.toString('latin1')) as PackedEntry[];
  return packed.map((entry) => unpack(domain, generation, entry));
}

function pack(e: DomainEntry): PackedEntry {
  const place = [e.ordinal, e.line, e.localAddress, e.localName ?? null] as const;
  return [...place, e.type, e.maildir, e.hashLevels, e.uid, e.gid, e.table, e.lockedOut];
}

function unpack(domain: string, generation: number, packed: PackedEntry): DomainEntry {
  const [ordinal, line, localAddress, localName, ...rest] = packed;
  const [type, maildir, hashLevels, uid, gid, table, lockedOut] = rest;
  const place = { ordinal, line, domain, localAddress, ...(localName === null ? {} : { localName }) };
  return { ...place, type, maildir, hashLevels, uid, gid, table, generation, lockedOut };
}
