/** Good logins at a steady rate, before and during a flood of wrong passwords from other addresses. */
import { type Dial, diallerFrom } from '../dial.ts';
import { userName } from '../mailboxes.ts';
import type { Histogram } from '../statistics.ts';
import type { Traffic } from '../workloads.ts';
import { type Generator, pause } from './generator.ts';
import { guess } from './guess.ts';
import { everySecond, warmUp } from './timed.ts';

type Flood = Extract<Traffic, { kind: 'flood' }>;

/** Each of the good users has an address; they have logged in before. */
const GOOD_USERS = 8;
const GOOD_FROM = 2;
const FLOOD_FROM = 100;
const FLOOD_ADDRESSES = 50;
/** Guesses try one user after the other, the good ones among them. */
const TRIED_USERS = 10_000;
/** The flood goes on for so long, in ms, before the good logins are measured beside it. */
const SWELLS = 1_000;

type Guesses = { sent: number; answered: number };

export async function flood(load: Generator, { good, wrong }: Flood): Promise<Record<string, number>> {
  const sweep = setInterval(() => load.endLost(), 1_000);
  await becomeKnown(load);
  await warmUp(load, { atOnce: 1, users: GOOD_USERS });
  const before = await logins(load, good);
  const guesses: Guesses = { sent: 0, answered: 0 };
  const stop = everySecond(wrong, () => sendGuess(load, guesses));
  await pause(SWELLS);
  const failed = load.errors;
  const during = await logins(load, good);
  const lost = load.errors - failed;
  stop();
  clearInterval(sweep);
  return {
    ...{ beforeP50: before.quantile(0.5), beforeP99: before.quantile(0.99) },
    ...{ duringP50: during.quantile(0.5), duringP99: during.quantile(0.99) },
    p99Ratio: during.quantile(0.99) / before.quantile(0.99),
    ...{ lost, guesses: guesses.sent, answered: guesses.answered },
  };
}

/** Each good user from their own address: they are known there. */
async function becomeKnown(load: Generator): Promise<void> {
  for (let user = 0; user < GOOD_USERS; user++) load.open('poll', { user, from: goodDial(load, user) });
  await load.whenNone();
}

function goodDial({ job }: Generator, user: number): Dial {
  return diallerFrom(`127.0.0.${GOOD_FROM + user}`, job.port);
}

/** @returns how long they took; all of them have ended */
async function logins(load: Generator, rate: number): Promise<Histogram> {
  let next = 0;
  load.begin();
  const stop = everySecond(rate, () => {
    const user = next++ % GOOD_USERS;
    load.open('poll', { user, from: goodDial(load, user) });
  });
  await pause(load.job.duration * 1_000);
  stop();
  await load.whenNone();
  return load.logins;
}

function sendGuess(load: Generator, guesses: Guesses): void {
  const turn = guesses.sent++;
  guess({
    port: load.job.port,
    address: `127.0.0.${FLOOD_FROM + (turn % FLOOD_ADDRESSES)}`,
    ...{ user: userName('small', turn % TRIED_USERS), password: `wrong-${turn}` },
    refused: () => {
      guesses.answered++;
    },
    accepted: () => load.fail('a wrong password was accepted'),
  });
}
