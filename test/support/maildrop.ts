/** Puts messages into maildrops as the local delivery agent of a Unix host does. */
import { appendFileSync, chownSync, writeFileSync } from 'node:fs';

export type MaildropFiles = {
  kind: 'mbox' | 'maildir';
  /** The mbox file or the Maildir. */
  path: string;
  uid: number;
  gid: number;
};

let delivered = 0;

/**
 * With LF line ends. What RETR gives is the message again, octet for octet, if it ends with CRLF and has no CR or LF of
 * its own.
 * @param message with CRLF line ends
 */
export function deliver(maildrop: MaildropFiles, message: Uint8Array): void {
  const text = withoutCarriageReturns(message);
  if (maildrop.kind === 'mbox') appendTo(maildrop.path, text);
  else {
    const path = `${maildrop.path}/new/${1_000_000_000 + ++delivered}.M1P${process.pid}.mailstore`;
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, maildrop.uid, maildrop.gid);
  }
}

function appendTo(mbox: string, text: Buffer): void {
  if (text.includes('\nFrom ')) throw new Error('a line that begins with "From " does not survive an mbox');
  appendFileSync(mbox, 'From sender@example.org Sat Nov 22 10:00:00 2003\n');
  appendFileSync(mbox, text);
  appendFileSync(mbox, '\n');
}

/** Without a string of the whole: a message may have 100 MB. */
function withoutCarriageReturns(octets: Uint8Array): Buffer {
  const message = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
  const text = Buffer.allocUnsafe(message.length);
  let length = 0;
  for (let from = 0; from < message.length; ) {
    const at = message.indexOf('\r\n', from);
    const to = at < 0 ? message.length : at;
    length += message.copy(text, length, from, to);
    if (at < 0) break;
    text[length++] = 0x0a;
    from = at + 2;
  }
  return text.subarray(0, length);
}
