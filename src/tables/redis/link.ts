import { createHash } from 'node:crypto';
import { TablesUnavailable } from '../teapop/store.ts';

export type Address = { host: string; port: number };

/** Which servers there are to ask. */
export type RedisServers =
  | ({ kind: 'single' } & Address)
  | {
      kind: 'sentinel';
      sentinels: readonly Address[];
      /** The name under which the Sentinels watch the server. */
      master: string;
      /** For the Sentinels themselves; null where they ask for none. */
      username: string | null;
      password: string | null;
    }
  /** Some nodes of a Cluster: any of them tells all the others. */
  | { kind: 'cluster'; nodes: readonly Address[] };

/** The `redis:` section, with its secrets read. */
export type RedisSettings = {
  servers: RedisServers;
  username: string | null;
  password: string | null;
  /** 0 in a Cluster. */
  database: number;
  /** For the servers and for the Sentinels. */
  tls: RedisTls | null;
  /** For a command, in milliseconds; for the connection too. */
  timeout: number;
};

/** `ca` holds certificates in PEM; null for the system's. `serverName` null for the host as it was named. */
export type RedisTls = { ca: string | null; serverName: string | null; verify: boolean };

/** Strings are octet strings here as everywhere: they are sent as latin1. */
export type Argument = string | number | Buffer;
export type Command = readonly [name: string, ...args: Argument[]];
export type Reply = Buffer | number | null | Reply[];

/** Lua that Redis runs in one step, on keys of one hash slot. `sha` is how Redis names what it has seen. */
export type Script = { source: string; sha: string };
export type ScriptCall = { keys: readonly string[]; args: readonly Argument[] };

/**
 * A connection to Redis that says at once when it cannot be asked: nothing waits in a queue for a server that is
 * gone, and one that stays silent for `timeout` is dropped and tried anew. Every failure is TablesUnavailable. All
 * keys of one command are of one hash slot, its first argument is a key; so it is the same with one server, with
 * Sentinels and in a Cluster.
 */
export interface RedisLink {
  command(...command: Command): Promise<Reply>;
  /** Sends all in one go; rejects with the first failure when all were answered. */
  batch(commands: readonly Command[]): Promise<Reply[]>;
  /** Runs a script once for each call, each in one step; otherwise as `batch`. */
  evaluate(script: Script, calls: readonly ScriptCall[]): Promise<Reply[]>;
  /** Resolves once every server can be asked; rejects after `within` ms with what stands in the way. */
  whenReady(within: number): Promise<void>;
  /** Null while commands can be sent, else why not. In a Cluster one node that answers is enough. */
  problem(): string | null;
  /** Called with each change between ready and not. */
  onChange(listener: () => void): void;
  /** Drops the connection; what is under way fails. */
  close(): void;
}

/** What a link is made over: one server, or a Cluster of them. Settles each command on its own. */
export interface RedisPeer extends Pick<RedisLink, 'whenReady' | 'problem' | 'onChange' | 'close'> {
  /** Never rejects: where a command failed, a TablesUnavailable stands instead of its reply. */
  ask(commands: readonly Command[]): Promise<(Reply | TablesUnavailable)[]>;
}

/** An answer of Redis that says no; `said` is its text without the server's name. */
export class Refusal extends TablesUnavailable {
  readonly said: string;

  constructor(server: string, said: string) {
    super(`${server}: ${said}`);
    this.said = said;
  }
}

export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source, 'latin1').digest('hex') };
}

export function linkOver(peer: RedisPeer): RedisLink {
  const batch = async (commands: readonly Command[]) => whole(await peer.ask(commands));
  return {
    command: async (...command) => (await batch([command]))[0] ?? null,
    batch,
    evaluate: async (lua, calls) => whole(await evaluate(peer, lua, calls)),
    whenReady: (within) => peer.whenReady(within),
    problem: () => peer.problem(),
    onChange: (listener) => peer.onChange(listener),
    close: () => peer.close(),
  };
}

/** By the name of the script; a server that has not seen it gets all of it, and then knows it. */
async function evaluate(peer: RedisPeer, lua: Script, calls: readonly ScriptCall[]) {
  const sent = (by: 'EVALSHA' | 'EVAL', { keys, args }: ScriptCall): Command => {
    return [by, by === 'EVAL' ? lua.source : lua.sha, keys.length, ...keys, ...args];
  };
  const replies = await peer.ask(calls.map((call) => sent('EVALSHA', call)));
  const unseen = calls.flatMap((call, i) => (isUnseen(replies[i]) ? [{ call, i }] : []));
  const more = await peer.ask(unseen.map(({ call }) => sent('EVAL', call)));
  for (const [j, { i }] of unseen.entries()) replies[i] = more[j]!;
  return replies;
}

function isUnseen(reply: unknown): boolean {
  return reply instanceof Refusal && reply.said.startsWith('NOSCRIPT');
}

function whole(replies: (Reply | TablesUnavailable)[]): Reply[] {
  for (const reply of replies) if (reply instanceof TablesUnavailable) throw reply;
  return replies as Reply[];
}

/** As whenReady of a peer just opened, but its first failure is the end: who else there is can be asked then. */
export function connected(
  peer: Pick<RedisPeer, 'whenReady' | 'problem' | 'onChange'>,
  within: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    peer.onChange(() => {
      const problem = peer.problem();
      if (problem !== null) reject(new TablesUnavailable(problem));
    });
    peer.whenReady(within).then(resolve, reject);
  });
}

const FIRST_RETRY = 50;
/** An outage ends for a proxy at most this long after Redis is back. */
const LAST_RETRY = 2_000;

/** In ms. Doubles up to the last, then takes a random half off: a thousand proxies must not come back in step. */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** `host:port`, as clients and logs write it. */
export function shown({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
