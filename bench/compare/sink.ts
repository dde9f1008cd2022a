/**
 * The mailstore behind the proxies: accepts any login and answers from memory.
 *
 *     bun bench/compare/sink.ts PORT
 */
import type { Socket } from 'bun';
import { mailbox, mailboxOf, NOOP_REPLY, QUIT_REPLY, retrStatus, uidlReply } from './mailboxes.ts';

type Session = {
  user: string;
  /** An AUTH PLAIN whose response is still to come. */
  responding: boolean;
  rest: string;
  /** What the kernel has not taken yet. */
  pending: Buffer[];
  leaving: boolean;
};

const CAPABILITIES = '+OK\r\nUSER\r\nUIDL\r\nTOP\r\nSASL PLAIN\r\nRESP-CODES\r\nPIPELINING\r\n.\r\n';
const LOGGED_IN = '+OK logged in\r\n';
/** Replies up to that size go into one write; a longer message is written from where it lies. */
const GATHERED_OCTETS = 16_384;

Bun.listen<Session>({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  socket: {
    open(socket) {
      socket.data = { user: '', responding: false, rest: '', pending: [], leaving: false };
      socket.write('+OK bench ready\r\n');
    },
    data: receive,
    drain: flush,
    error() {},
  },
});
// The messages are made now, not at the first RETR.
for (const user of ['small', 'large', 'many']) mailbox(mailboxOf(user));

function receive(socket: Socket<Session>, octets: Buffer): void {
  const session = socket.data;
  const lines = (session.rest + octets.toString('latin1')).split('\r\n');
  session.rest = lines.pop()!;
  const idle = session.pending.length === 0;
  let gathered = '';
  for (const line of lines) {
    const reply = answer(session, line);
    if (typeof reply === 'string') gathered += reply;
    else {
      gathered += reply.status;
      if (reply.message.length <= GATHERED_OCTETS) gathered += reply.message.toString('latin1');
      else gathered = queue(session, gathered, reply.message);
    }
    if (gathered.length > GATHERED_OCTETS) gathered = queue(session, gathered, null);
  }
  if (gathered !== '') queue(session, gathered, null);
  if (idle) flush(socket);
}

function queue({ pending }: Session, gathered: string, message: Buffer | null): '' {
  if (gathered !== '') pending.push(Buffer.from(gathered, 'latin1'));
  if (message !== null) pending.push(message);
  return '';
}

function flush(socket: Socket<Session>): void {
  const { pending, leaving } = socket.data;
  while (pending.length > 0) {
    const first = pending[0]!;
    const taken = socket.write(first);
    if (taken < first.length) {
      if (taken > 0) pending[0] = first.subarray(taken);
      return;
    }
    pending.shift();
  }
  if (leaving) socket.end();
}

function answer(session: Session, line: string): string | { status: string; message: Buffer } {
  if (session.responding) return login(session, plainUser(line));
  const space = line.indexOf(' ');
  const argument = space < 0 ? '' : line.slice(space + 1);
  switch ((space < 0 ? line : line.slice(0, space)).toUpperCase()) {
    case 'USER':
      session.user = argument;
      return '+OK\r\n';
    case 'PASS':
      return LOGGED_IN;
    case 'AUTH':
      return authenticate(session, argument);
    case 'CAPA':
      return CAPABILITIES;
    case 'STAT':
      return mailbox(mailboxOf(session.user)).stat;
    case 'LIST':
      return mailbox(mailboxOf(session.user)).list;
    case 'UIDL':
      return uidlReply(session.user);
    case 'NOOP':
      return NOOP_REPLY;
    case 'RETR':
      return retrieve(session.user, Number(argument));
    case 'QUIT':
      session.leaving = true;
      return QUIT_REPLY;
    default:
      return '-ERR unknown command\r\n';
  }
}

function retrieve(user: string, number: number): string | { status: string; message: Buffer } {
  const message = mailbox(mailboxOf(user)).messages[number - 1];
  return message === undefined ? '-ERR no such message\r\n' : { status: retrStatus(user, number), message };
}

function authenticate(session: Session, argument: string): string {
  const [mechanism, response] = argument.split(' ');
  if (mechanism?.toUpperCase() !== 'PLAIN') return '-ERR unknown mechanism\r\n';
  if (response !== undefined) return login(session, plainUser(response));
  session.responding = true;
  return '+ \r\n';
}

function login(session: Session, user: string): string {
  session.responding = false;
  session.user = user;
  return LOGGED_IN;
}

/** The authorization identity where there is one, else the authentication identity (RFC 4616). */
function plainUser(response: string): string {
  const [authzid = '', authcid = ''] = Buffer.from(response, 'base64').toString('latin1').split('\0');
  return authzid === '' ? authcid : authzid;
}
