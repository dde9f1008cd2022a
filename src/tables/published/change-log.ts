import type { TableId } from '../teapop/model.ts';
import type { Changes } from './changes.ts';

/**
 * The change log as Redis keeps it: one field a generation, named by its number, in the hash `RedisKeys.changes`.
 * It is written in the step that stamps the generation; then a nudge goes out on `RedisKeys.changed`.
 */

/** Generations that stay listed. A proxy that missed more drops all that it holds, which is right, only dearer. */
export const CHANGES_KEPT = 16;

/** What one generation changed. */
export type LoggedChanges = Changes & {
  /**
   * When it was published, as its DomainsMeta has it: together with the number it names one generation of one
   * history. A Redis that came back empty, or a replica that took over with less, counts on from another one.
   */
  publishedAt: number;
};

export function encodeChanges({ publishedAt, domains, tables }: LoggedChanges): Buffer {
  return Buffer.from(JSON.stringify({ publishedAt, domains, tables: Object.fromEntries(tables) }), 'latin1');
}

/** Null for what no version wrote: to be taken for a change of everything. */
export function decodeChanges(value: Buffer): LoggedChanges | null {
  try {
    const { publishedAt, domains, tables } = JSON.parse(value.toString('latin1')) as Record<string, unknown>;
    if (typeof publishedAt !== 'number' || !isNames(domains)) return null;
    if (typeof tables !== 'object' || tables === null) return null;
    const listed = Object.entries(tables);
    if (!listed.every(([, userids]) => isNames(userids))) return null;
    return { publishedAt, domains, tables: new Map(listed as [TableId, string[] | null][]) };
  } catch {
    return null;
  }
}

function isNames(value: unknown): value is string[] | null {
  return value === null || (Array.isArray(value) && value.every((name) => typeof name === 'string'));
}
