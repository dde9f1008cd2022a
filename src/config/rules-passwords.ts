import { doubtful, wrong } from './finding.ts';
import type { Finding, Path } from './problem.ts';
import type { Config } from './schema.ts';

/** RFC 9106 §3.1: at least 8 KiB for each lane. */
const LEAST_OCTETS_PER_LANE = 8 * 1024;
/** The lowest memory of OWASP's list of equals (7 MiB with five passes). */
const LEAST_SAFE_MEMORY = 7 * 1024 * 1024;
/** Octets written over all passes; auth/argon2.ts takes no more, about two seconds of one core. */
const MOST_WORK = 2 * 1024 * 1024 * 1024;

const MEMORY: Path = ['passwords', 'argon2', 'memory'];
const TIME: Path = ['passwords', 'argon2', 'time'];
const LANES: Path = ['passwords', 'argon2', 'parallelism'];

/** What the parameters of Argon2id are together. */
export function argon2Rules({ passwords }: Config): Finding[] {
  const { memory, time, parallelism } = passwords.argon2;
  if (memory < LEAST_OCTETS_PER_LANE * parallelism) {
    const hint = `${parallelism} lanes take ${8 * parallelism}KiB at least`;
    return [wrong(MEMORY, 'too little for passwords.argon2.parallelism', hint, [LANES])];
  }
  if (memory * time > MOST_WORK) {
    const hint = `memory × time is 2GiB at most: ${Math.floor(MOST_WORK / memory)} passes over so much memory`;
    return [wrong(TIME, 'too many for passwords.argon2.memory', hint, [MEMORY])];
  }
  if (memory >= LEAST_SAFE_MEMORY) return [];
  const hint = 'the default is 19MiB, the least to take 7MiB';
  return [doubtful(MEMORY, 'little memory makes stolen hashes cheap to guess', hint)];
}

const IDLE: Path = ['passwords', 'cache', 'idle'];
const LIFETIME: Path = ['passwords', 'cache', 'lifetime'];

/** What is remembered of logins. */
export function cacheRules({ passwords: { cache } }: Config): Finding[] {
  if (cache === null || cache.idle <= cache.lifetime) return [];
  const hint = 'nothing is remembered for longer than that: lower it, or raise passwords.cache.lifetime';
  return [wrong(IDLE, 'longer than passwords.cache.lifetime', hint, [LIFETIME])];
}
