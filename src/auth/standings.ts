import { clientNet } from './client-net.ts';
import type { Standing } from './fair-queue.ts';

/**
 * Who has logged in from where, and whence wrong passwords came: for the order of the verifier's queue alone, no login
 * is refused by it. Kept in memory, for so many users and nets; of more, those seen longest ago are forgotten.
 */
export interface Standings {
  /** @param user what tells one from another, in octets; of one name there has to be one spelling */
  of(address: string, user: string): Standing;
  /** A right password, hashed or remembered. */
  accepted(address: string, user: string): void;
  /** A hash that was computed for nothing; what is remembered as wrong costs none and speaks against nobody. */
  refused(address: string, user: string): void;
}

export type StandingsOptions = {
  /** Bounds of the two tables. */
  users?: number;
  nets?: number;
  /** Milliseconds from any start. */
  now?: () => number;
};

/** Some 300 octets each. */
const MOST_USERS = 100_000;
/** Nets with wrong passwords; some 100 octets each. */
const MOST_NETS = 50_000;

/** Over a weekend and a holiday. */
const KNOWN_FOR = 7 * 86_400_000;
/** Between two uses no more is worth keeping account of. */
const SAME_USE = 60_000;
/** A home, a phone, an office, and one more. */
const NETS_OF_A_USER = 4;
/** As often somebody mistypes a password, or finds out that it has been changed. */
const FORGIVEN = 3;
/** One wrong password is forgotten after it: more than 18 an hour, going on, is no mistyping. */
const FORGOTTEN_AFTER = 200_000;

/** Wrong passwords, which leak away with time. */
type Faults = { count: number; at: number };
type Place = { net: string; at: number; faults: Faults };
type User = {
  /** The one used last comes first. */
  places: Place[];
  /** From anywhere else. */
  faults: Faults;
};

export function createStandings(options: StandingsOptions = {}): Standings {
  return new RememberedStandings(options);
}

class RememberedStandings implements Standings {
  readonly #users = new Map<string, User>();
  readonly #nets = new Map<string, Faults>();
  readonly #mostUsers: number;
  readonly #mostNets: number;
  readonly #now: () => number;

  constructor({ users = MOST_USERS, nets = MOST_NETS, now = () => performance.now() }: StandingsOptions) {
    this.#mostUsers = users;
    this.#mostNets = nets;
    this.#now = now;
  }

  of(address: string, user: string): Standing {
    const net = clientNet(address);
    const now = this.#now();
    const known = this.#users.get(user);
    const places = known?.places.filter(({ at }) => now < at + KNOWN_FOR) ?? [];
    const here = places.find((place) => place.net === net);
    if (here !== undefined && isForgiven(here.faults, now)) return { rank: 'known', net };
    const isClean = isForgiven(this.#nets.get(net), now);
    const isFamiliar = here === undefined && places.length > 0 && isForgiven(known!.faults, now);
    if (isClean) return { rank: isFamiliar ? 'familiar' : 'clean', net };
    return { rank: isFamiliar ? 'clean' : 'doubtful', net };
  }

  accepted(address: string, user: string): void {
    const net = clientNet(address);
    const now = this.#now();
    const known = this.#users.get(user);
    const last = known?.places[0];
    if (last === undefined || last.net !== net || now >= last.at + SAME_USE)
      this.#used(user, known, net, now);
  }

  #used(user: string, before: User | undefined, net: string, now: number): void {
    const known = before ?? { places: [], faults: { count: 0, at: now } };
    const place = known.places.find((each) => each.net === net);
    const others = known.places.filter((each) => each !== place);
    // The same password of before proves nothing against what was tried since: its faults stay.
    const here = { net, at: now, faults: place?.faults ?? { count: 0, at: now } };
    known.places = [here, ...others].slice(0, NETS_OF_A_USER);
    putLast(this.#users, ownCopy(user), known, this.#mostUsers);
  }

  refused(address: string, user: string): void {
    const net = clientNet(address);
    const now = this.#now();
    const known = this.#users.get(user);
    const place = known?.places.find((each) => each.net === net);
    if (place !== undefined) add(place.faults, now);
    else if (known !== undefined) add(known.faults, now);
    const faults = this.#nets.get(net) ?? { count: 0, at: now };
    add(faults, now);
    putLast(this.#nets, net, faults, this.#mostNets);
  }
}

function countNow({ count, at }: Faults, now: number): number {
  return Math.max(0, count - (now - at) / FORGOTTEN_AFTER);
}

function isForgiven(faults: Faults | undefined, now: number): boolean {
  return faults === undefined || Math.ceil(countNow(faults, now)) < FORGIVEN;
}

/** Not more than would be forgotten in an hour: a flood that is over is forgotten, too. */
const MOST_FAULTS = 3_600_000 / FORGOTTEN_AFTER;

function add(faults: Faults, now: number): void {
  faults.count = Math.min(MOST_FAULTS, countNow(faults, now) + 1);
  faults.at = now;
}

/** Engines keep the whole line alive of which a name is a part. */
function ownCopy(name: string): string {
  return Buffer.from(name, 'latin1').toString('latin1');
}

/** A map keeps the order of insertion: what was put longest ago stands first, and goes first. */
function putLast<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}
