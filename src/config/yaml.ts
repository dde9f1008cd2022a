import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type Scalar,
} from 'yaml';
import type { Finding, Path, Place } from './problem.ts';
import { type SyntaxProblem, syntaxProblems } from './syntax.ts';

/** Deeper than the schema by far; ends circular aliases, too. */
const DEEPEST = 32;

/** A node for each domain of a big site; aliases that unfold to more are an accident or an attack. */
const MOST_NODES = 100_000;

export type Reading = {
  /** Plain values; undefined where the document's structure cannot be made out. */
  value: unknown;
  findings: Finding[];
  syntax: SyntaxProblem[];
  /** By `placeKey` of the path. */
  places: Map<string, Place>;
};

export function placeKey(path: Path): string {
  return JSON.stringify(path.map(String));
}

/** Reads YAML 1.2 (core schema). Never throws for any text. */
export function readYaml(text: string): Reading {
  const reading: Reading = { value: undefined, findings: [], syntax: [], places: new Map() };
  let document: Document.Parsed;
  try {
    // Doubled keys are looked for below: the library's own way takes time by the square of their number.
    document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reading.syntax.push({ offset: 0, message: 'nested too deeply', hint: null, structural: true });
    return reading;
  }
  reading.syntax.push(...syntaxProblems([...document.errors, ...document.warnings]));
  if (reading.syntax.some((problem) => problem.structural)) return reading;
  const walk = new Walk(document, reading);
  reading.value = walk.read(document.contents, [], 0);
  return reading;
}

function placeOf(node: Node | null, key: number): Place {
  const value = node?.range?.[0] ?? key;
  return { key, value, end: node?.range?.[1] ?? value, scalar: node === null || isScalar(node) };
}

class Walk {
  #document: Document.Parsed;
  #reading: Reading;
  #nodes = 0;

  constructor(document: Document.Parsed, reading: Reading) {
    this.#document = document;
    this.#reading = reading;
  }

  /** @param key offset of the key, or of the whole where there is none */
  read(node: Node | null, path: Path, key: number): unknown {
    this.#reading.places.set(placeKey(path), placeOf(node, key));
    return this.#read(node, path, key);
  }

  #read(node: Node | null, path: Path, key: number): unknown {
    this.#nodes += 1;
    if (path.length > DEEPEST || this.#nodes > MOST_NODES) return this.#tooMuch(path);
    if (isAlias(node)) return this.#resolve(node, path, key);
    if (isScalar(node)) return this.#scalar(node, path);
    if (isSeq(node))
      return node.items.map((item, index) => this.#item(item as Node | null, [...path, index], key));
    if (!isMap(node)) return null;
    const entries = new Map<string, unknown>();
    for (const pair of node.items) {
      this.#pair(entries, pair.key as Node | null, pair.value as Node | null, path, node.range?.[0] ?? key);
    }
    return Object.fromEntries(entries);
  }

  #item(node: Node | null, path: Path, key: number): unknown {
    return this.read(node, path, node?.range?.[0] ?? key);
  }

  #pair(
    entries: Map<string, unknown>,
    key: Node | null,
    value: Node | null,
    path: Path,
    start: number,
  ): void {
    const name = this.#keyName(key);
    const offset = key?.range?.[0] ?? start;
    if (name === null) {
      this.#find(path, 'a key must be a plain word', 'write `key: value`', 'value');
    } else if (entries.has(name)) {
      this.#double([...path, name], offset, value);
    } else {
      entries.set(name, this.read(value, [...path, name], offset));
    }
  }

  /** The key as it is written, so that a domain like 163e5 stays what it is. */
  #keyName(key: Node | null): string | null {
    const node = isAlias(key) ? (key.resolve(this.#document) ?? null) : key;
    if (!isScalar(node)) return null;
    return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  }

  #double(path: Path, key: number, node: Node | null): void {
    this.#find(path, 'given twice', 'keep one of the two', 'key', placeOf(node, key));
  }

  #resolve(alias: Alias, path: Path, key: number): unknown {
    const target = alias.resolve(this.#document);
    if (target !== undefined) return this.#read(target, path, key);
    this.#find(
      path,
      'refers to an anchor that does not exist',
      'write &name before the first use of *name',
      'value',
    );
    return undefined;
  }

  #scalar(node: Scalar, path: Path): unknown {
    if (typeof node.value === 'number' && /^[-+]?0\d/.test(node.source ?? '')) {
      this.#find(
        path,
        'a number with a leading zero',
        `write ${node.value}, or put it in quotes if it is a word`,
        'value',
      );
    }
    if (typeof node.value === 'object' && node.value !== null) {
      this.#find(
        path,
        'a value with a tag, or a date',
        'write plain text, a number, true, false or null',
        'value',
      );
      return null;
    }
    return node.value;
  }

  #tooMuch(path: Path): unknown {
    if (path.length > DEEPEST)
      this.#find(path.slice(0, 1), 'nested too deeply', 'does an alias refer to itself?', 'key');
    else if (this.#nodes === MOST_NODES + 1)
      this.#find([], 'too many values', 'do aliases unfold aliases?', 'value');
    return null;
  }

  #find(path: Path, message: string, hint: string, at: 'key' | 'value', place?: Place): void {
    const finding: Finding = { severity: 'error', path, message, hint, at, quote: 'no' };
    this.#reading.findings.push(place === undefined ? finding : { ...finding, place });
  }
}
