/**
 * What lies in the mailstore, the same at every start: the sink sends it, the load generator compares every octet. The
 * user's name says which mailbox is theirs: `small7@…` has ten small messages.
 */

export type MailboxName = 'small' | 'large' | 'many';

export type Mailbox = {
  /** As they cross the line: dot-stuffed, with the line that ends them (RFC 1939, section 3). */
  messages: readonly Buffer[];
  stat: string;
  list: string;
};

const SIZES: Record<MailboxName, { count: number; octets: number }> = {
  small: { count: 10, octets: 1_024 },
  large: { count: 4, octets: 10 * 2 ** 20 },
  many: { count: 200, octets: 4_096 },
};
const LINE_OCTETS = 76;
/** Every so many lines one begins with a dot, so that there is something to stuff. */
const DOTTED_EVERY = 7;

export const USERS_OF_EACH = 100;
const DOMAINS = 100;

export function userName(mailbox: MailboxName, index: number): string {
  return `${mailbox}${index}@dom${index % DOMAINS}.example`;
}

/** So many with a small mailbox, and as many as log in in turn with each of the others. */
export function everyUser(small: number): string[] {
  const names = Object.keys(SIZES) as MailboxName[];
  return names.flatMap((name) =>
    Array.from({ length: name === 'small' ? small : USERS_OF_EACH }, (_, index) => userName(name, index)),
  );
}

export function mailboxOf(user: string): MailboxName {
  if (user.startsWith('large')) return 'large';
  return user.startsWith('many') ? 'many' : 'small';
}

const made = new Map<MailboxName, Mailbox>();

export function mailbox(name: MailboxName): Mailbox {
  const known = made.get(name) ?? makeMailbox(name);
  made.set(name, known);
  return known;
}

function makeMailbox(name: MailboxName): Mailbox {
  const { count, octets } = SIZES[name];
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return {
    messages: numbers.map((number) => makeMessage(number, octets)),
    stat: `+OK ${count} ${count * octets}\r\n`,
    list: `+OK\r\n${numbers.map((number) => `${number} ${octets}\r\n`).join('')}.\r\n`,
  };
}

/** `octets` without the stuffing and the last line. Every line has its message's and its own number. */
export function makeMessage(number: number, octets: number): Buffer {
  const lines = [`Subject: message ${number}\r\n`, '\r\n'];
  let left = octets - lines[0]!.length - lines[1]!.length;
  for (let row = 0; left > 0; row++) {
    const length = left < 2 * LINE_OCTETS ? left : LINE_OCTETS;
    const start = `${row % DOTTED_EVERY === 0 ? '.' : ''}${number}:${row} `;
    lines.push(`${start.padEnd(length - 2, 'abcdefghij')}\r\n`);
    left -= length;
  }
  return Buffer.from(
    `${lines.map((line) => (line.startsWith('.') ? `.${line}` : line)).join('')}.\r\n`,
    'latin1',
  );
}

/** The replies of the mailstore, which know the user: one user's mail in another's session is seen. */
export function uidlReply(user: string): string {
  const { messages } = mailbox(mailboxOf(user));
  return `+OK\r\n${messages.map((_, index) => `${index + 1} ${index + 1}-${user}\r\n`).join('')}.\r\n`;
}

export function retrStatus(user: string, number: number): string {
  return `+OK message ${number} of ${user}\r\n`;
}

export const NOOP_REPLY = '+OK nothing done\r\n';
export const QUIT_REPLY = '+OK bye\r\n';
