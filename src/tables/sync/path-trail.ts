import { lstat, readlink } from 'node:fs/promises';
import { octetPath } from '../sources/source-file.ts';

/** An entry of a directory (a path with nothing to resolve left in it) on which it depends what a path denotes. */
export type Step = { directory: string; name: string };

/** What stands behind a name. */
type Kind = 'directory' | 'other' | 'missing' | { target: string };

/** As Linux has it; beyond it opening fails, too. */
const MOST_LINKS = 40;

/**
 * Walks paths as the system does, through symbolic links. Remembers what it saw: one reader is for one moment, and a
 * hundred thousand files of one folder cost one look at its parents.
 */
export class TrailReader {
  readonly #seen = new Map<string, Promise<Kind>>();

  /**
   * Every step, in their order: a change of one but the last can make the path denote another file. Where the path
   * denotes nothing, the last step is the one whose entry is missing. Never rejects.
   */
  async read(path: string): Promise<Step[]> {
    const steps: Step[] = [];
    const left = path.split('/').reverse();
    let directory = '/';
    let links = 0;
    while (left.length > 0) {
      const name = left.pop()!;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        directory = parent(directory);
        continue;
      }
      steps.push({ directory, name });
      const kind = await this.#kind(join(directory, name));
      if (kind === 'directory') directory = join(directory, name);
      else if (kind === 'other' || kind === 'missing' || ++links > MOST_LINKS) break;
      else {
        if (kind.target.startsWith('/')) directory = '/';
        left.push(...kind.target.split('/').reverse());
      }
    }
    return steps;
  }

  #kind(path: string): Promise<Kind> {
    const seen = this.#seen.get(path);
    if (seen !== undefined) return seen;
    const kind = look(path);
    this.#seen.set(path, kind);
    return kind;
  }
}

async function look(path: string): Promise<Kind> {
  try {
    const found = await lstat(octetPath(path));
    if (found.isDirectory()) return 'directory';
    if (!found.isSymbolicLink()) return 'other';
    const target = await readlink(octetPath(path), { encoding: 'buffer' });
    return { target: target.toString('latin1') };
  } catch {
    return 'missing';
  }
}

function parent(directory: string): string {
  return directory.slice(0, Math.max(directory.lastIndexOf('/'), 1));
}

function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}
