import type { Command, Reply } from './link.ts';

/**
 * Knows which scans were begun on a connection. The cursor of an HSCAN is good on the server that gave it alone: the
 * one that took over, or the same started anew, would take it, and leave fields out.
 */
export class ScanGuard {
  /** Scans under way by key. */
  readonly #open = new Map<string, number>();

  /** False where a scan would go on that another connection began. */
  admits([name, key, cursor]: Command): boolean {
    return name !== 'HSCAN' || isStart(cursor) || this.#open.has(String(key));
  }

  answered([name, key, cursor]: Command, reply: Reply): void {
    if (name !== 'HSCAN') return;
    const ends = isStart((reply as Reply[])[0]);
    const change = (isStart(cursor) ? 1 : 0) - (ends ? 1 : 0);
    const open = (this.#open.get(String(key)) ?? 0) + change;
    if (open > 0) this.#open.set(String(key), open);
    else this.#open.delete(String(key));
  }

  /** The connection went. */
  lost(): void {
    this.#open.clear();
  }
}

function isStart(cursor: unknown): boolean {
  return String(cursor) === '0';
}
