/** What clients do all day: polls, downloads, in plain text and over TLS; and what some should not do. */
import { ClientSession, type Watcher } from '../compare/client.ts';
import { dialler } from '../compare/dial.ts';
import { USERS_OF_EACH, userName } from '../compare/mailboxes.ts';
import { MAILBOX_OF, steps } from '../compare/script.ts';
import type { Script, Tls } from '../compare/workloads.ts';
import { fail, goneInTheMidst, slowReader, wrongPassword } from './misbehaviour.ts';

export type Counts = {
  sessions: number;
  slow: number;
  refused: number;
  cut: number;
  errors: number;
  firstError: string | null;
};

/** One kind of session, again and again: `every` ms one begins, if not `most` are under way. */
type Stream = { script: Script; port: number; tls: Tls; every: number; most: number };

/** Ms. */
const MISBEHAVE_EVERY = 100;
const SLOW_EVERY = 2_000;
const LONGEST = 20_000;

export function startTraffic(
  plain: number,
  secure: number,
  password: string,
): { counts: Counts; stop(): void } {
  const counts: Counts = { sessions: 0, slow: 0, refused: 0, cut: 0, errors: 0, firstError: null };
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
  const timers = [
    setInterval(() => {
      wrongPassword(plain, counts);
      goneInTheMidst(plain, password, counts);
    }, MISBEHAVE_EVERY),
    setInterval(() => slowReader(plain, password, counts), SLOW_EVERY),
  ];
  return {
    counts,
    stop() {
      for (const timer of timers) clearInterval(timer);
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
