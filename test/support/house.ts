/** Reads the sources' imports and tells where they leave the rooms' order. */
import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export type Import = {
  /** The importing file, below src/. */
  file: string;
  /** The imported file below src/, or the name of a package or of what lies outside src/. */
  target: string;
  inside: boolean;
  /** Gone at run time: `import type`, `export type … from`. */
  typeOnly: boolean;
};

/** Text by path below src/. */
export type Sources = ReadonlyMap<string, string>;

/** What each room may import. */
export type Rooms = ReadonlyMap<string, ReadonlySet<string>>;

export function readSources(root: string): Sources {
  const src = join(root, 'src');
  const paths = globSync('**/*.ts', { cwd: src }).map((path) => path.replaceAll('\\', '/'));
  return new Map(paths.sort().map((path) => [path, readFileSync(join(src, path), 'utf8')]));
}

/** `import … from '…'`, `export … from '…'`, `import '…'` and `import('…')`. */
const FROM = /^\s*(import|export)\s+(type\s)?[^'";=]*?\bfrom\s+'([^']+)'/gm;
const BARE = /^\s*import\s+'([^']+)'/gm;
const CALLED = /\bimport\(\s*'([^']+)'\s*\)/g;

export function importsOf(file: string, text: string): Import[] {
  const code = withoutComments(text);
  const named = Array.from(code.matchAll(FROM), ([, , type, target]) => ({
    target,
    typeOnly: type !== undefined,
  }));
  const others = [...code.matchAll(BARE), ...code.matchAll(CALLED)];
  const all = [...named, ...others.map(([, target]) => ({ target, typeOnly: false }))];
  return all.map(({ target, typeOnly }) => ({ file, typeOnly, ...resolved(file, target!) }));
}

function resolved(file: string, target: string): Pick<Import, 'target' | 'inside'> {
  if (!target.startsWith('.')) return { target, inside: false };
  const path = posix.join(posix.dirname(file), target);
  return { target: path, inside: !path.startsWith('..') };
}

/** Line ends stay, strings too: no source of this house has a comment mark in a string that matters here. */
function withoutComments(text: string): string {
  return text.replace(/\/\*.*?\*\//gs, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

export function allImports(sources: Sources): Import[] {
  return [...sources].flatMap(([file, text]) => importsOf(file, text));
}

/**
 * The rooms in the order of the table in docs/contributing.md, with what its last column lets them import. A room
 * with rooms of its own has a table of them further down; these bear its name before theirs.
 */
export function roomsOf(contributing: string, within = ''): Rooms {
  const rows = rowsOf(contributing, within);
  const names = rows.map(({ name }) => name);
  return new Map(rows.map(({ name, may }, index) => [name, allowed(may, within, names.slice(index + 1))]));
}

type Row = { name: string; holds: string; may: string };

function rowsOf(contributing: string, within: string): Row[] {
  const rows = contributing.matchAll(/^\| `src\/([\w/]+)\/` +\|([^|]*)\|([^|]*)\|$/gm);
  return Array.from(rows, ([, name, holds, may]) => ({
    name: name!,
    holds: holds!.trim(),
    may: may!.trim(),
  })).filter(({ name }) => posix.dirname(name) === (within === '' ? '.' : within));
}

function allowed(may: string, within: string, below: string[]): Set<string> {
  if (may === 'everything below') return new Set(below);
  return new Set(may === 'nothing' ? [] : may.split(', ').map((name) => posix.join(within, name)));
}

/** The rooms of which the tables in docs/contributing.md say that they are pure. */
export function pureRoomsOf(contributing: string, within: readonly string[]): string[] {
  const rows = within.flatMap((room) => rowsOf(contributing, room));
  return rows.filter(({ holds }) => holds.startsWith('pure: ')).map(({ name }) => name);
}

function roomOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

/** The room within a room in which a file is; '' where it lies beside them, null outside. */
function innerRoomOf(path: string, within: string): string | null {
  if (!path.startsWith(`${within}/`)) return null;
  const inner = path.slice(within.length + 1);
  return inner.includes('/') ? `${within}/${inner.slice(0, inner.indexOf('/'))}` : '';
}

/** What every room may name in its types: these are handed in as values by the composition root. */
const LEAVES = new Set(['config', 'ops']);

/** Imports from a room that the table does not allow. Files beside the rooms may import cli alone. */
export function wrongArrows(imports: readonly Import[], rooms: Rooms): string[] {
  return imports.filter((each) => !mayImport(each, rooms)).map(({ file, target }) => `${file} → ${target}`);
}

function mayImport({ file, target, inside, typeOnly }: Import, rooms: Rooms): boolean {
  if (!inside) return !target.startsWith('..') || target.endsWith('/package.json');
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === to) return true;
  if (from === '') return to === 'cli';
  if (rooms.get(from)?.has(to) === true) return true;
  // pop3 and transport stand alone, in their types too.
  return from === 'proxy' && typeOnly && LEAVES.has(to);
}

/** Imports between the rooms within a room that its table does not allow, of types or not. */
export function wrongInnerArrows(imports: readonly Import[], within: string, rooms: Rooms): string[] {
  const wrong = imports.filter(({ file, target }) => {
    const [from, to] = [innerRoomOf(file, within), innerRoomOf(target, within)];
    return from !== null && to !== null && from !== to && rooms.get(from)?.has(to) !== true;
  });
  return wrong.map(({ file, target }) => `${file} → ${target}`);
}

/** Rooms within a room that import each other in a circle, if only types. */
export function roomCircles(imports: readonly Import[], within: string): string[] {
  const between = imports.flatMap((each): Import[] => {
    const [file, target] = [innerRoomOf(each.file, within), innerRoomOf(each.target, within)];
    return file === null || target === null || file === target
      ? []
      : [{ file, target, inside: true, typeOnly: false }];
  });
  return circles(between);
}

/**
 * Files that import each other in a circle at run time, each circle once, from its first file in the alphabet. Types
 * that name each other do not: they are gone by then.
 */
export function circles(imports: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { file, target, inside, typeOnly } of imports) {
    if (inside && !typeOnly) targets.set(file, [...(targets.get(file) ?? []), target]);
  }
  const found = new Set<string>();
  const done = new Set<string>();
  const walk = (path: string[]): void => {
    const file = path.at(-1)!;
    for (const target of targets.get(file) ?? []) {
      if (path.includes(target)) found.add(circle(path.slice(path.indexOf(target))));
      else if (!done.has(target)) walk([...path, target]);
    }
    done.add(file);
  };
  for (const file of targets.keys()) if (!done.has(file)) walk([file]);
  return [...found];
}

function circle(files: string[]): string {
  const first = files.indexOf([...files].sort()[0]!);
  const turned = [...files.slice(first), ...files.slice(0, first)];
  return [...turned, turned[0]].join(' → ');
}

const CLOCK_OR_CHANCE =
  /\b(?:Date\.now|new Date\(\)|performance\.|Math\.random|crypto\.|setTimeout|setInterval|setImmediate|console\.|process\.)/;

/**
 * What makes files impure that must not be: a node: module or a package, a clock, randomness, a log; their own or
 * of a file that they import for more than its types.
 */
export function impurities(sources: Sources, files: readonly string[]): string[] {
  const found: string[] = [];
  const seen = new Set(files);
  // A set that grows while it is walked is walked to its end.
  for (const file of seen) {
    const text = sources.get(file);
    if (text === undefined) {
      found.push(`${file}: is not there`);
      continue;
    }
    const clock = CLOCK_OR_CHANCE.exec(withoutComments(text));
    if (clock !== null) found.push(`${file}: ${clock[0]}`);
    for (const { target, inside, typeOnly } of importsOf(file, text)) {
      if (typeOnly) continue;
      if (inside) seen.add(target);
      else found.push(`${file}: imports ${target}`);
    }
  }
  return found;
}

/** Files that import a file with what starts them, and not by a call when they need it. */
export function importedAtOnce(sources: Sources, target: string): string[] {
  const files = [...sources].filter(([file, text]) => {
    const code = withoutComments(text).replace(CALLED, '');
    return importsOf(file, code).some((each) => each.target === target && !each.typeOnly);
  });
  return files.map(([file]) => file);
}

/** Files that import a package. */
export function importersOf(imports: readonly Import[], name: string): string[] {
  const files = imports.filter(({ target }) => target === name || target.startsWith(`${name}/`));
  return [...new Set(files.map(({ file }) => file))];
}
