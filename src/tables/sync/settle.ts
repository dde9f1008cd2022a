import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { mapConcurrently } from '../sources/concurrency.ts';
import { octetPath } from '../sources/source-file.ts';

const LOOKS_AT_ONCE = 16;
/** A file that was written to so short a time ago and ends in no newline is half written, however still it lies. */
const UNENDED_TIMES = 20;
/** How often it is said that files do not come to rest, in ms. */
const TOLD_EVERY = 30_000;

export type SettleOptions = {
  /** Files that may have changed, octet strings; more may come while we wait. */
  changed: () => ReadonlySet<string>;
  /** How long each must stay as it is, in ms. */
  settle: number;
  /** One file that is still written to, after so many ms. */
  onUnsettled: (path: string, waited: number) => void;
  /** Rejects with its reason. */
  signal: AbortSignal;
};

/** Resolves when every file that may have changed lies still: then nobody is in the middle of writing it. */
export async function settled({ changed, settle, onUnsettled, signal }: SettleOptions): Promise<void> {
  const started = performance.now();
  let told = started;
  let before = await signatures(changed());
  for (;;) {
    await sleep(settle, undefined, { signal }).catch(() => signal.throwIfAborted());
    const now = await signatures(changed());
    const moving = await firstMoving(before, now, settle * UNENDED_TIMES);
    if (moving === null) return;
    before = now;
    const at = performance.now();
    if (at - told < TOLD_EVERY) continue;
    told = at;
    onUnsettled(moving, at - started);
  }
}

/** What a write or a replacement changes; null where there is no file. */
type Signature = { identity: string; size: bigint; modified: number } | null;

async function signatures(paths: Iterable<string>): Promise<Map<string, Signature>> {
  const found = new Map<string, Signature>();
  await mapConcurrently([...paths], LOOKS_AT_ONCE, async (path) => {
    found.set(path, await signature(path));
  });
  return found;
}

async function signature(path: string): Promise<Signature> {
  try {
    const { dev, ino, size, mtimeNs, mtimeMs } = await stat(octetPath(path), { bigint: true });
    return { identity: [dev, ino, size, mtimeNs].join(), size, modified: Number(mtimeMs) };
  } catch {
    return null;
  }
}

async function firstMoving(
  before: Map<string, Signature>,
  now: Map<string, Signature>,
  unendedFor: number,
): Promise<string | null> {
  for (const [path, found] of now) {
    if (!before.has(path) || before.get(path)?.identity !== found?.identity) return path;
    const age = found === null ? unendedFor : Date.now() - found.modified;
    if (age >= 0 && age < unendedFor && found !== null && !(await endsInNewline(path, found.size)))
      return path;
  }
  return null;
}

async function endsInNewline(path: string, size: bigint): Promise<boolean> {
  if (size === 0n) return false;
  try {
    const file = await open(octetPath(path), 'r');
    try {
      const last = Buffer.alloc(1);
      await file.read(last, 0, 1, Number(size) - 1);
      return last[0] === '\n'.charCodeAt(0);
    } finally {
      await file.close();
    }
  } catch {
    // What cannot be read is for the sync to report.
    return true;
  }
}
