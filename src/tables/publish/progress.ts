import { stat } from 'node:fs/promises';
import { mapConcurrently } from '../sources/concurrency.ts';
import type { PasswordFileRef } from '../teapop/model.ts';

/** How far a publication has come with the password files. */
export type PublishProgress = {
  files: { done: number; all: number };
  /** Of the files: what is left takes about as long for each octet. */
  octets: { done: number; all: number };
  /** Rows written beside the live tables, and passwords hashed. */
  rows: number;
  hashed: number;
};

/** Sizes asked for at the same time; the runtimes' thread pools have four threads. */
const STATS_AT_ONCE = 16;

/** Counts for whoever watches; without one it does nothing. */
export class ProgressMeter {
  readonly #tell: ((progress: PublishProgress) => void) | undefined;
  readonly #sizes = new Map<string, number>();
  #files = { done: 0, all: 0 };
  #octets = { done: 0, all: 0 };
  #rows = 0;
  #hashed = 0;

  constructor(tell: ((progress: PublishProgress) => void) | undefined) {
    this.#tell = tell;
  }

  /** To be called first. Never rejects: a file that is not there has no octets. */
  async measure(refs: readonly PasswordFileRef[]): Promise<void> {
    if (this.#tell === undefined) return;
    this.#files.all = refs.length;
    await mapConcurrently(refs, STATS_AT_ONCE, async ({ id, path }) => {
      const size = await stat(Buffer.from(path, 'latin1')).then(
        (file) => file.size,
        () => 0,
      );
      this.#sizes.set(id, size);
      this.#octets.all += size;
    });
  }

  /** So many rows of a file are written, `octets` of it since the last call. */
  wrote({ id }: PasswordFileRef, octets: number, rows: number, hashed: number): void {
    if (this.#tell === undefined) return;
    this.#take(id, octets);
    this.#rows += rows;
    this.#hashed += hashed;
    this.#told();
  }

  /** With all of a file, be it written or only found unchanged. */
  fileDone({ id }: PasswordFileRef): void {
    if (this.#tell === undefined) return;
    this.#take(id, Number.POSITIVE_INFINITY);
    this.#files.done++;
    this.#told();
  }

  /** A file that grows while it is read counts no more octets than it had. */
  #take(id: string, octets: number): void {
    const left = this.#sizes.get(id) ?? 0;
    const taken = Math.min(octets, left);
    this.#sizes.set(id, left - taken);
    this.#octets.done += taken;
  }

  #told(): void {
    this.#tell?.({
      files: { ...this.#files },
      octets: { ...this.#octets },
      rows: this.#rows,
      hashed: this.#hashed,
    });
  }
}
