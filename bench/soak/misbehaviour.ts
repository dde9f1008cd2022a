/** Clients that are a burden: slow readers, wrong passwords, those that are gone in the midst. */
import { connect, type Socket } from 'node:net';
import { guess } from '../compare/load/guess.ts';
import { mailbox, USERS_OF_EACH, userName } from '../compare/mailboxes.ts';
import type { Counts } from './traffic.ts';

/** They have addresses of their own: what is held against them is not held against the others. */
const MISBEHAVING = '127.0.0.9';
const SLOW = '127.0.0.10';
const LONGEST = 20_000;
/** So many passwords are tried in turn: some are remembered as wrong, and ever new ones come besides. */
const GUESSED = 1_000;

export function wrongPassword(port: number, counts: Counts): void {
  const turn = counts.refused;
  guess({
    ...{ port, address: MISBEHAVING },
    ...{ user: userName('small', turn % USERS_OF_EACH), password: `wrong-${turn % GUESSED}` },
    refused: () => {
      counts.refused++;
    },
    accepted: () => fail(counts, 'a wrong password was accepted'),
  });
}

/** In turn: half a command, a download left with FIN, one left with RST. */
export function goneInTheMidst(port: number, password: string, counts: Counts): void {
  const kind = ++counts.cut % 3;
  const socket = opened(port, MISBEHAVING);
  socket.write(kind === 0 ? 'USER half' : asking(password));
  let octets = 0;
  socket.on('data', (data: Buffer) => {
    octets += data.length;
    if (kind !== 0 && octets <= CUT_AFTER) return;
    if (kind === 1) socket.resetAndDestroy();
    else socket.destroy();
  });
}

const CUT_AFTER = 100_000;
/** What comes is left lying for so many ms: the message takes some seconds, and the mailstore has to wait. */
const DAWDLES = 50;

/** A download by one who hardly reads; all of it has to come, and the session to end as it should. */
export function slowReader(port: number, password: string, counts: Counts): void {
  const socket = opened(port, SLOW);
  socket.write(asking(password));
  const least = mailbox('large').messages[0]!.length;
  let octets = 0;
  let tail = '';
  socket.on('data', (data: Buffer) => {
    octets += data.length;
    tail = (tail + data.toString('latin1', Math.max(0, data.length - TAIL))).slice(-TAIL);
    if (octets > least && tail.endsWith('\r\n.\r\n')) socket.write('QUIT\r\n');
    socket.pause();
    setTimeout(() => socket.resume(), DAWDLES);
  });
  socket.on('close', () => {
    counts.slow++;
    if (octets <= least || !/\+OK [^\r\n]*\r\n$/.test(tail))
      fail(counts, `a slow reader got ${octets} octets`);
  });
}

const TAIL = 200;

function opened(port: number, localAddress: string): Socket {
  const socket = connect({ host: '127.0.0.1', port, localAddress });
  socket.on('error', () => {});
  socket.setTimeout(LONGEST, () => socket.destroy());
  return socket;
}

function asking(password: string): string {
  return `USER ${userName('large', 0)}\r\nPASS ${password}\r\nRETR 1\r\n`;
}

export function fail(counts: Counts, why: string): void {
  counts.errors++;
  counts.firstError ??= why;
}
