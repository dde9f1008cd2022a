/** Messages that each trip over a rule of RFC 1939 §3 or RFC 5322: dots at line starts, long lines, octets above 127. */

/** No line is longer than what Python's email package would fold. */
const HEADER = [
  'Return-Path: <jane@example.org>',
  'Received: from mx.example.org; Sat, 22 Nov 2003 10:00:00 +0100',
  'From: Jane <jane@example.org>',
  'To: john@acme.com',
  'Date: Sat, 22 Nov 2003 10:00:00 +0100',
].join('\r\n');

function message(subject: string, body: string): string {
  return `${HEADER}\r\nMessage-ID: <${subject}@example.org>\r\nSubject: ${subject}\r\n\r\n${body}`;
}

/** Octet strings with CRLF line ends, fit for an mbox and for each of the clients. */
export const AWKWARD_MESSAGES: readonly string[] = [
  message('plain', 'Hello John,\r\n\r\nthis is a plain message.\r\n'),
  message('dots', '.\r\n..\r\n...\r\n.hidden\r\n..hidden\r\nlast.\r\n.\r\n'),
  message('octets', 'caf\xe9 \xff\xfe\x80\x01\x1b\x7f\r\n'),
  message('long-line', `${'x'.repeat(5_000)}\r\n`),
  message('looks-like-a-reply', '+OK\r\n-ERR [AUTH] no\r\nQUIT\r\n'),
  message('blank-lines', '\r\n\r\n\r\n'),
  message('empty-body', ''),
];

/** A message of at least `octets` octets, of lines that differ, some of which begin with a dot. */
export function bigMessage(octets: number): Buffer {
  const head = Buffer.from(message('big', ''), 'latin1');
  const lines = Array.from(
    { length: 1_000 },
    (_, index) => `${index % 10 === 0 ? '.' : ''}${index} ${'abcdefghij'.repeat(7)}\r\n`,
  );
  const block = Buffer.from(lines.join(''), 'latin1');
  return Buffer.concat([head, ...Array.from({ length: Math.ceil(octets / block.length) }, () => block)]);
}
