import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { mapConcurrently } from '../sources/concurrency.ts';
import { octetPath } from '../sources/source-file.ts';
import { TrailReader } from './path-trail.ts';

/** Paths looked at together; the runtimes' thread pools have four threads. */
const LOOKS_AT_ONCE = 16;
/** Folders that are replaced while they are being looked at; then what comes next tells. */
const MOST_ROUNDS = 5;

/** Of an entry of a watched directory: the path that ends there, or null where other paths go through it. */
type Names = Map<string, string | null>;
type Watched = { watcher: FSWatcher; inode: string };

export type FileWatchOptions = {
  /** Called with each change that may concern a followed file. */
  onChange: () => void;
  /** So many directories cannot be watched: changes there go unnoticed. */
  onUnwatched: (directories: number, detail: string) => void;
};

/**
 * Says which of some files may have changed. Directories are watched, not files: an editor that writes a new file and
 * renames it leaves a watch on the old one behind. All directories on the way are, and those of symbolic links, since
 * any of them may be replaced. What is followed may not exist.
 */
export class FileWatch {
  readonly #options: FileWatchOptions;
  readonly #watched = new Map<string, Watched>();
  #names = new Map<string, Names>();
  #paths: readonly string[] = [];
  #changed = new Set<string>();
  /** Paths that may lead elsewhere by now. */
  #stale: 'all' | Set<string> = new Set();
  readonly #unwatched = new Set<string>();

  constructor(options: FileWatchOptions) {
    this.#options = options;
  }

  /** Absolute paths that may have changed since they were forgotten; octet strings. */
  get changed(): ReadonlySet<string> {
    return this.#changed;
  }

  get files(): number {
    return this.#paths.length;
  }

  get directories(): number {
    return this.#watched.size;
  }

  /** Follows these and no others. New ones count as changed, for nobody knows since when. */
  async follow(paths: readonly string[]): Promise<void> {
    const before = new Set(this.#paths);
    this.#paths = [...new Set(paths)];
    const now = new Set(this.#paths);
    const fresh = this.#paths.filter((path) => !before.has(path));
    this.#changed = new Set([...this.#changed].filter((path) => now.has(path)));
    for (const path of fresh) this.#changed.add(path);
    // Fewer mean directories that are to be let go.
    if (fresh.length > 0 || now.size < before.size) this.#stale = 'all';
    await this.refresh();
  }

  /** Looks anew where directories or links have changed. */
  async refresh(): Promise<void> {
    for (let round = 0; this.#isStale && round < MOST_ROUNDS; round++) {
      const stale = this.#stale;
      this.#stale = new Set();
      const directories = stale === 'all' ? await this.#lookAtAll() : await look([...stale], this.#names);
      // What was replaced between the look and the watch is seen by a second look.
      if (await this.#watchAll(directories)) this.#lookAgain(stale);
    }
  }

  /** To be called before the files are read. */
  forget(paths: Iterable<string>): void {
    for (const path of paths) this.#changed.delete(path);
  }

  /** As if every file had changed. */
  suspectAll(): void {
    for (const path of this.#paths) this.#changed.add(path);
    this.#lookAgain('all');
  }

  close(): void {
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  get #isStale(): boolean {
    return this.#stale === 'all' || this.#stale.size > 0;
  }

  #lookAgain(paths: 'all' | Iterable<string>): void {
    if (paths === 'all' || this.#stale === 'all') this.#stale = 'all';
    else for (const path of paths) this.#stale.add(path);
  }

  async #lookAtAll(): Promise<Set<string>> {
    const names = new Map<string, Names>();
    const directories = await look(this.#paths, names);
    this.#names = names;
    this.#unwatched.clear();
    for (const [directory, { watcher }] of this.#watched) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watched.delete(directory);
    }
    return directories;
  }

  /** True where one is watched that was not before. */
  async #watchAll(directories: ReadonlySet<string>): Promise<boolean> {
    let opened = false;
    let problem: string | null = null;
    await mapConcurrently([...directories], LOOKS_AT_ONCE, async (directory) => {
      try {
        if (await this.#watch(directory)) opened = true;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        // One that has just gone is missed by its parent.
        if (code === 'ENOENT' || code === 'ENOTDIR' || this.#unwatched.has(directory)) return;
        this.#unwatched.add(directory);
        problem = message;
      }
    });
    if (problem !== null) this.#options.onUnwatched(this.#unwatched.size, problem);
    return opened;
  }

  async #watch(directory: string): Promise<boolean> {
    const { dev, ino } = await stat(octetPath(directory), { bigint: true });
    const inode = `${dev}:${ino}`;
    const watched = this.#watched.get(directory);
    if (watched?.inode === inode) return false;
    watched?.watcher.close();
    this.#watched.delete(directory);
    const watcher = watch(octetPath(directory), { encoding: 'buffer' }, (_, name) =>
      this.#event(directory, name?.toString('latin1') ?? null),
    );
    watcher.on('error', () => this.#drop(directory, watcher));
    this.#watched.set(directory, { watcher, inode });
    for (const path of this.#names.get(directory)?.values() ?? []) if (path !== null) this.#changed.add(path);
    return true;
  }

  #event(directory: string, name: string | null): void {
    const path = name === null ? null : this.#names.get(directory)?.get(name);
    if (typeof path === 'string') {
      this.#changed.add(path);
      // A link may stand there now, or a folder where there was nothing.
      this.#lookAgain([path]);
    }
    // A directory that is itself moved or removed is told by its own name.
    else if (path === null || name === directory.slice(directory.lastIndexOf('/') + 1)) this.suspectAll();
    else return;
    this.#options.onChange();
  }

  #drop(directory: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watched.get(directory)?.watcher === watcher) this.#watched.delete(directory);
    this.suspectAll();
    this.#options.onChange();
  }
}

/** Adds all that it depends on what the paths denote; resolves with the directories of that. */
async function look(paths: readonly string[], names: Map<string, Names>): Promise<Set<string>> {
  const reader = new TrailReader();
  const directories = new Set<string>();
  await mapConcurrently(paths, LOOKS_AT_ONCE, async (path) => {
    const steps = await reader.read(path);
    for (const [i, { directory, name }] of steps.entries()) {
      directories.add(directory);
      const known = names.get(directory) ?? new Map<string, string | null>();
      names.set(directory, known);
      const isEnd = i === steps.length - 1 && (!known.has(name) || known.get(name) === path);
      known.set(name, isEnd ? path : null);
    }
  });
  return directories;
}
