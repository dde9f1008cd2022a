/** What clients do all day: polls, downloads, wrong passwords, connections that are cut. */
import { connect } from 'node:net';
import { ClientSession, type Watcher } from '../compare/client.ts';
import { dialler } from '../compare/dial.ts';
import { USERS_OF_EACH, userName } from '../compare/mailboxes.ts';
import { MAILBOX_OF, steps } from '../compare/script.ts';
import type { Script, Tls } from '../compare/workloads.ts';

export type Counts = {
  sessions: number;
  refused: number;
  cut: number;
  errors: number;
  firstError: string | null;
};

/** One kind of session, again and again: `every` ms one begins, if not `most` are under way. */
type Stream = { script: Script; port: number; tls: Tls; every: number; most: number };

/** Those who misbehave have addresses of their own: what is held against them is not held against the others. */
const MISBEHAVING = '127.0.0.9';
const MISBEHAVE_EVERY = 100;
const LONGEST = 20_000;

export function startTraffic(
  plain: number,
  secure: number,
  password: string,
): { counts: Counts; stop(): void } {
  const counts: Counts = { sessions: 0, refused: 0, cut: 0, errors: 0, firstError: null };
  const streams: Stream[] = [
    { script: 'poll', port: plain, tls: 'off', every: 10, most: 64 },
    { script: 'pipelined', port: plain, tls: 'off', every: 200, most: 8 },
    { script: 'many', port: plain, tls: 'off', every: 500, most: 8 },
    { script: 'large', port: plain, tls: 'off', every: 1_000, most: 4 },
    { script: 'poll', port: secure, tls: 'resumed', every: 50, most: 16 },
    { script: 'poll', port: secure, tls: 'full', every: 100, most: 16 },
    { script: 'many', port: secure, tls: 'full', every: 1_000, most: 4 },
  ];
  const stops = streams.map((stream) => keepComing(stream, password, counts));
  const timer = setInterval(() => {
    refused(plain, counts);
    cut(plain, password, counts);
  }, MISBEHAVE_EVERY);
  return {
    counts,
    stop() {
      clearInterval(timer);
      for (const stop of stops) stop();
    },
  };
}

function keepComing(
  { script, port, tls, every, most }: Stream,
  password: string,
  counts: Counts,
): () => void {
  const dial = dialler(port, tls);
  const active = new Set<ClientSession>();
  const watcher: Watcher = {
    ...{ loggedIn() {}, received() {}, stepped() {} },
    ended(session, ending) {
      active.delete(session);
      if (ending.kind === 'done') counts.sessions++;
      else fail(counts, `${script} ${tls}: ${ending.why}`);
    },
  };
  let started = 0;
  const timer = setInterval(() => {
    for (const session of active) {
      if (performance.now() - session.startedAt < LONGEST) continue;
      active.delete(session);
      session.abandon();
      fail(counts, `${script} ${tls}: a session took longer than ${LONGEST} ms`);
    }
    if (active.size >= most) return;
    const user = userName(MAILBOX_OF[script], started++ % USERS_OF_EACH);
    const session = new ClientSession({ user, password }, steps(script, user), watcher, false);
    active.add(session);
    session.dial(dial);
  }, every);
  return () => {
    clearInterval(timer);
    for (const session of active) session.abandon();
  };
}

function fail(counts: Counts, why: string): void {
  counts.errors++;
  counts.firstError ??= why;
}

/** A wrong password; whatever the answer, it must not be +OK. */
function refused(port: number, counts: Counts): void {
  const socket = connect({ host: '127.0.0.1', port, localAddress: MISBEHAVING });
  socket.on('error', () => {});
  socket.setTimeout(LONGEST, () => socket.destroy());
  let received = '';
  socket.on('data', (octets: Buffer) => {
    received += octets.toString('latin1');
    const lines = received.split('\r\n');
    if (received.startsWith('+OK') && lines.length === 2) {
      socket.write(`USER ${userName('small', 0)}\r\nPASS wrong\r\nQUIT\r\n`);
    }
  });
  socket.on('close', () => {
    // Greeting, USER, PASS.
    if (received.split('\r\n')[2]?.startsWith('+OK') === true) fail(counts, 'a wrong password was accepted');
    else counts.refused++;
  });
}

/** A client that is gone in the midst of a download, or of a command. */
function cut(port: number, password: string, counts: Counts): void {
  const socket = connect({ host: '127.0.0.1', port, localAddress: MISBEHAVING });
  const half = ++counts.cut % 2 === 0;
  socket.on('error', () => {});
  socket.setTimeout(LONGEST, () => socket.destroy());
  socket.write(half ? 'USER half' : `USER ${userName('large', 0)}\r\nPASS ${password}\r\nRETR 1\r\n`);
  let octets = 0;
  socket.on('data', (data: Buffer) => {
    octets += data.length;
    if (half || octets > 100_000) socket.destroy();
  });
}
