/** How an instance is set up for a traffic; what is not said is as usual. */

export type Setup = {
  tls: boolean;
  /** In the tables, with a small mailbox; beside them a hundred with each of the others. */
  users: number;
  workers: number;
  /** Passwords lie as Argon2id hashes, and are checked by the proxy itself. */
  argon2id: Argon2id | null;
  /** It may run on all CPUs, the load generator's included. */
  allCores: boolean;
};

/** `memory` in MiB, `time` in passes; one lane. */
export type Argon2id = { memory: number; time: number };

export const USUAL: Setup = { tls: false, users: 100, workers: 1, argon2id: null, allCores: false };

export function isSame(one: Setup, other: Setup): boolean {
  return (Object.keys(USUAL) as (keyof Setup)[]).every((key) => one[key] === other[key]);
}

/** As src/auth takes them. */
export function paramsOf({ memory, time }: Argon2id): { memory: number; time: number; parallelism: number } {
  return { memory: memory * 2 ** 20, time, parallelism: 1 };
}

export function named({ memory, time }: Argon2id): string {
  return `m=${memory}MiB,t=${time},p=1`;
}
