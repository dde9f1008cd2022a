import { createHash, createHmac } from 'node:crypto';
import type { DigestCredentials, ScramCredentials, ScramSalt } from '../pop3/credentials.ts';
import type { UserRow } from '../tables/teapop/model.ts';
import { equalOctets } from './equal.ts';
import { contextOf, type FoundRows, MAX_SLOW_ROWS, problemOf, type Tried } from './rows.ts';
import { inspectSecret, type Passwords, type SecretType, SecretUnusable } from './scheme.ts';
import { checkProof, makeKeys, parseKeys, SCRAM_PREFIX, type ScramKeys } from './scram.ts';

/**
 * The rows of a userid against what a client shows in the place of its password: a digest of it (APOP, CRAM-MD5), for
 * which the row must hold the password itself, or SCRAM's proof, for which it holds the password or SCRAM's keys.
 */

export type Proof = DigestCredentials | ScramCredentials;

export type Proven = Tried & {
  /** A row holds what the mechanism needs: where none does, no password could be right. */
  provable: boolean;
  /** For SCRAM, where a row matched. */
  serverSignature?: string | null;
};

/** The mechanisms that a stored form can answer. */
export function provableBy(secret: string, type: SecretType): readonly Proof['mechanism'][] {
  const { scheme, problem } = inspectSecret(secret, type);
  if (problem !== null) return [];
  if (scheme === 'plain' || scheme === 'sealed') return ['APOP', 'CRAM-MD5', 'SCRAM-SHA-256'];
  return scheme === 'scram-sha-256' ? ['SCRAM-SHA-256'] : [];
}

/** Whether checking takes a permit of the verifier's: keys that are made of a password that is stored itself. */
export function isSlowProof(found: FoundRows, { mechanism }: Proof): boolean {
  return mechanism === 'SCRAM-SHA-256' && found.rows.some(({ secret }) => !secret.startsWith(SCRAM_PREFIX));
}

/** Never rejects. Of a userid that stands many times no more rows are tried than passwords would be. */
export async function tryProof(passwords: Passwords, found: FoundRows, proof: Proof): Promise<Proven> {
  const context = contextOf(found);
  const proven: Proven = { matched: null, heavy: false, problems: [], provable: false };
  for (const row of found.rows.slice(0, MAX_SLOW_ROWS)) {
    try {
      const password = passwords.reveal(row.secret, context);
      const answer =
        proof.mechanism === 'SCRAM-SHA-256'
          ? await scramAnswer(password, storedKeys(row, context.type), proof)
          : digestAnswer(password, proof);
      if (answer === null) continue;
      proven.provable = true;
      if (answer.matches) return { ...proven, matched: row, serverSignature: answer.serverSignature };
    } catch (cause) {
      proven.problems.push(problemOf(row, cause));
    }
  }
  return proven;
}

/** Null where the row holds nothing to check by. */
type Answer = { matches: boolean; serverSignature: string | null } | null;

function digestAnswer(password: string | null, { mechanism, challenge, digest }: DigestCredentials): Answer {
  if (password === null) return null;
  // RFC 1939 §7, RFC 2195 §2.
  const made =
    mechanism === 'APOP'
      ? createHash('md5').update(challenge + password, 'latin1')
      : createHmac('md5', Buffer.from(password, 'latin1')).update(challenge, 'latin1');
  return { matches: equalOctets(made.digest('hex'), digest), serverSignature: null };
}

async function scramAnswer(
  password: string | null,
  stored: ScramKeys | null,
  { salted, authMessage, proof }: ScramCredentials,
): Promise<Answer> {
  const keys = password === null ? stored : await makeKeys(password, salted);
  if (keys === null) return null;
  if (keys.salt !== salted.salt || keys.iterations !== salted.iterations)
    throw new SecretUnusable('its SCRAM salt has changed during the login');
  const serverSignature = checkProof(keys, authMessage, proof);
  return { matches: serverSignature !== null, serverSignature };
}

function storedKeys({ secret }: UserRow, type: SecretType): ScramKeys | null {
  if (type === 'htpasswd' || !secret.startsWith(SCRAM_PREFIX)) return null;
  const keys = parseKeys(secret);
  if (typeof keys === 'string') throw new SecretUnusable(`stored SCRAM keys: ${keys}`);
  return keys;
}

/** The salt that the keys of a row were made with; null where none has keys. */
export function storedSalt(found: FoundRows): ScramSalt | null {
  if (contextOf(found).type === 'htpasswd') return null;
  for (const { secret } of found.rows) {
    const keys = secret.startsWith(SCRAM_PREFIX) ? parseKeys(secret) : '';
    if (typeof keys !== 'string') return { salt: keys.salt, iterations: keys.iterations };
  }
  return null;
}
