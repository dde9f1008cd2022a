import type { RedisLink } from '../redis/link.ts';
import type { Diagnostic } from '../teapop/model.ts';
import { FIELD_META, type RedisKeys } from './redis-keys.ts';

/** What the last sync had to say of the files, kept in Redis for whoever asks later, on any host. */
export type KeptDiagnostics = {
  /** When these were first found, in ms since 1970. */
  at: number;
  /** The generation that was live when the sync was done. */
  generation: number;
  errors: number;
  warnings: number;
  /** MOST_KEPT at most, errors first. */
  kept: Diagnostic[];
};

/** Nobody reads more at once, and each run of `sync` tells them all: some 60 KB. */
const MOST_KEPT = 200;

/** Writes them where they are not the ones that are kept. Rejects with TablesUnavailable. */
export async function keepDiagnostics(
  link: RedisLink,
  keys: RedisKeys,
  generation: number,
  diagnostics: readonly Diagnostic[],
): Promise<void> {
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const warnings = diagnostics.filter(({ severity }) => severity !== 'error');
  const kept = [...errors, ...warnings].slice(0, MOST_KEPT);
  const found = { generation, errors: errors.length, warnings: warnings.length, kept };
  const before = await readDiagnostics(link, keys);
  if (before !== null && JSON.stringify({ ...before, at: 0 }) === JSON.stringify({ at: 0, ...found })) return;
  // Texts that a host's own words are part of are more than latin1.
  const value = Buffer.from(JSON.stringify({ at: Date.now(), ...found }), 'utf8');
  await link.command('HSET', keys.diagnostics, FIELD_META, value);
}

/** Null where none are kept. Rejects with TablesUnavailable. */
export async function readDiagnostics(link: RedisLink, keys: RedisKeys): Promise<KeptDiagnostics | null> {
  const value = (await link.command('HGET', keys.diagnostics, FIELD_META)) as Buffer | null;
  try {
    return value === null ? null : (JSON.parse(value.toString('utf8')) as KeptDiagnostics);
  } catch {
    return null;
  }
}
