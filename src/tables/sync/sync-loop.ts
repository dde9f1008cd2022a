import { setTimeout as sleep } from 'node:timers/promises';
import { SyncRefused } from '../publish/loss.ts';
import type { PublishResult } from '../publish/publication.ts';
import type { CompiledDomains } from '../sources/compile.ts';
import type { Diagnostic } from '../teapop/model.ts';
import { FileWatch } from './file-watch.ts';
import { settled } from './settle.ts';

/** The first wait after a sync that failed, in ms; it doubles. */
const FIRST_RETRY = 1_000;
/** An outage of Redis ends for the tables at most this long after it is back. */
const LAST_RETRY = 60_000;

export type LoopEvent =
  | { what: 'watching'; files: number; directories: number }
  | { what: 'unwatched'; directories: number; detail: string }
  /** `path` is an octet string. */
  | { what: 'unsettled'; path: string; waited: number }
  | { what: 'synced'; result: PublishResult }
  | { what: 'refused'; detail: string; diagnostics: readonly Diagnostic[] }
  /** `retryIn` in ms. */
  | { what: 'failed'; detail: string; retryIn: number };

export type SyncLoopOptions = {
  /** Read by every sync, beside what the domain table names; absolute paths as octet strings. */
  files: readonly string[];
  /** How long a file must lie still before it is read, in ms. */
  settle: number;
  /** How often to sync though no change was seen, in ms: a network's file system tells of none. */
  resync: number;
  /** One sync; `onCompiled` is to be awaited between the domain table and the password files. */
  sync: (hooks: {
    signal: AbortSignal;
    onCompiled: (compiled: CompiledDomains) => Promise<void>;
  }) => Promise<PublishResult>;
  tell: (event: LoopEvent) => void;
  /** Ends it, in the middle of a sync as well. */
  signal: AbortSignal;
};

/** Syncs whenever the files have changed, until the signal comes. Never rejects, whatever the files are. */
export async function syncLoop(options: SyncLoopOptions): Promise<void> {
  const loop = new SyncLoop(options);
  try {
    await loop.run();
  } finally {
    loop.close();
  }
}

class SyncLoop {
  readonly #options: SyncLoopOptions;
  readonly #watch: FileWatch;
  #wake: () => void = () => {};
  #failures = 0;
  /** What was last said to be watched. */
  #told = '';

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#watch = new FileWatch({
      onChange: () => this.#wake(),
      onUnwatched: (directories, detail) => options.tell({ what: 'unwatched', directories, detail }),
    });
  }

  async run(): Promise<void> {
    const { files, signal, resync } = this.#options;
    await this.#watch.follow(files);
    while (!signal.aborted) {
      const retryIn = await this.#round();
      if (retryIn !== null) await this.#pause(retryIn);
      else if (this.#watch.changed.size === 0 && !(await this.#change(resync))) this.#watch.suspectAll();
    }
  }

  close(): void {
    this.#watch.close();
  }

  /** Resolves with how long to wait before the next try, null where it is to wait for a change. Never rejects. */
  async #round(): Promise<number | null> {
    const { signal, sync, tell } = this.#options;
    try {
      await this.#settled();
      this.#watch.forget(this.#watch.changed);
      const result = await sync({ signal, onCompiled: (compiled) => this.#follow(compiled) });
      this.#failures = 0;
      tell({ what: 'synced', result });
      return null;
    } catch (error) {
      if (signal.aborted) return null;
      const detail = (error as Error).message;
      if (error instanceof SyncRefused) {
        this.#failures = 0;
        tell({ what: 'refused', detail, diagnostics: error.diagnostics });
        return null;
      }
      this.#watch.suspectAll();
      const retryIn = retryAfter(this.#failures++);
      tell({ what: 'failed', detail, retryIn });
      return retryIn;
    }
  }

  /** The password files that the domain table names now, before they are read. */
  async #follow({ passwordFiles }: CompiledDomains): Promise<void> {
    const { files, tell } = this.#options;
    const named = passwordFiles.flatMap(({ sql, path }) => (sql === undefined ? absolute(path) : []));
    await this.#watch.follow([...files, ...named]);
    const { files: count, directories } = this.#watch;
    if (`${count} ${directories}` !== this.#told) tell({ what: 'watching', files: count, directories });
    this.#told = `${count} ${directories}`;
    await this.#settled();
    // A domain table that has changed again was read too early.
    this.#watch.forget(named);
  }

  async #settled(): Promise<void> {
    const { settle, signal, tell } = this.#options;
    await this.#watch.refresh();
    if (this.#watch.changed.size === 0) return;
    await settled({
      changed: () => this.#watch.changed,
      settle,
      onUnsettled: (path, waited) => tell({ what: 'unsettled', path, waited }),
      signal,
    });
  }

  /** True where a file changed within so many ms, or the signal came. */
  async #change(within: number): Promise<boolean> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const ends = AbortSignal.any([woken.signal, this.#options.signal]);
    return sleep(within, false, { signal: ends }).catch(() => true);
  }

  async #pause(time: number): Promise<void> {
    await sleep(time, undefined, { signal: this.#options.signal }).catch(() => {});
  }
}

/** A relative path is relative to where the process was started, for us as for the sync. */
function absolute(path: string): string {
  return path.startsWith('/') ? path : `${Buffer.from(process.cwd()).toString('latin1')}/${path}`;
}

/** Half of it by chance: several hosts are not to come in step. */
function retryAfter(failures: number): number {
  const ceiling = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** Math.min(failures, 16));
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}
