import type { UserRow } from '../teapop/model.ts';
import { OctetReader, varint } from '../teapop/octets.ts';
import { packSecret, unpackSecret } from './packed-secret.ts';

/** A row with what tells the next sync whether its source changed, see fingerprint.ts. */
export type StoredRow = UserRow & {
  /** FINGERPRINT_OCTETS octets. */
  fingerprint: string;
};

/**
 * Of an HMAC's 32 octets. A fingerprint is compared with the one that the same userid had before: 96 bits
 * mistake a changed row for an unchanged one once in 2 ** 96 changes, and each octet more is paid per user.
 */
export const FINGERPRINT_OCTETS = 12;

/** Written for a mailbox that is the userid: each row of an htpasswd file, many of a textfile. */
const SAME_AS_USERID = 0;

/**
 * The value of a userid's field: its rows in file order, each as fingerprint, line, packed secret, mailbox.
 * Lengths go before the octets, so a name may hold any octet.
 */
export function encodeRows(userid: string, rows: readonly StoredRow[]): Buffer {
  return Buffer.from(rows.map((row) => encodeRow(userid, row)).join(''), 'latin1');
}

/** @throws MalformedOctets */
export function decodeRows(userid: string, value: Buffer): StoredRow[] {
  const reader = new OctetReader(value.toString('latin1'));
  const rows: StoredRow[] = [];
  while (!reader.ended) rows.push(decodeRow(userid, reader));
  return rows;
}

function encodeRow(userid: string, row: StoredRow): string {
  if (row.fingerprint.length !== FINGERPRINT_OCTETS) throw new RangeError('fingerprint of a wrong length');
  const { mailbox } = row;
  const place = mailbox === userid ? varint(SAME_AS_USERID) : varint(mailbox.length + 1) + mailbox;
  return row.fingerprint + varint(row.line) + packSecret(row.secret) + place;
}

function decodeRow(userid: string, reader: OctetReader): StoredRow {
  const fingerprint = reader.take(FINGERPRINT_OCTETS);
  const line = reader.varint();
  const secret = unpackSecret(reader);
  const length = reader.varint();
  const mailbox = length === SAME_AS_USERID ? userid : reader.take(length - 1);
  return { secret, mailbox, line, fingerprint };
}
