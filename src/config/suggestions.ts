import type { Path } from './problem.ts';
import { jsonSchema } from './schema.ts';

/** Fewer letters begin too many words. */
const SHORTEST_START = 4;

/** The candidate that was most likely meant; null where none is near. Letter case, `-` and `_` count for nothing. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const plain = (text: string) => text.toLowerCase().replace(/[-_ ]/g, '');
  const begun = candidates.filter(
    (candidate) => word.length >= SHORTEST_START && plain(candidate).startsWith(plain(word)),
  );
  let best = begun.length === 1 ? begun[0]! : null;
  // A third of the letters wrong is a slip; more is another word.
  let least = best === null ? Math.max(1, Math.floor(plain(word).length / 3)) + 1 : 0;
  for (const candidate of candidates) {
    const distance = editDistance(plain(word), plain(candidate));
    if (distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

/** Longer words are no slip of the finger, and the time goes by the product of the lengths. */
const LONGEST_WORD = 64;

/** Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
export function editDistance(one: string, other: string): number {
  if (one.length > LONGEST_WORD || other.length > LONGEST_WORD) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_item, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      let cost = Math.min(last[column]! + 1, line[column - 1]! + 1, last[column - 1]! + same);
      const swapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (swapped) cost = Math.min(cost, before[column - 2]! + 1);
      line.push(cost);
    }
    before = last;
    last = line;
  }
  return last[other.length]!;
}

/** As much of JSON Schema as is used here. */
export type Schema = {
  title?: string;
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
};

let known: Schema | undefined;

/** Made once: it is asked for with every mistake. */
function wholeSchema(): Schema {
  known ??= jsonSchema() as Schema;
  return known;
}

/** The settings that the section at this path has; none where it is no section. */
export function settingsAt(path: Path): string[] {
  return schemasAt(path).flatMap((schema) => Object.keys(schema.properties ?? {}));
}

/** What the schema says of a path; more than one where a value may have several forms. */
function schemasAt(path: Path): Schema[] {
  let found = forms(wholeSchema());
  for (const step of path) found = found.flatMap((schema) => below(schema, step)).flatMap(forms);
  return found;
}

function forms(schema: Schema): Schema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(forms)];
}

function below(schema: Schema, step: string | number): Schema[] {
  if (typeof step === 'number') return schema.items === undefined ? [] : [schema.items];
  const property = Object.hasOwn(schema.properties ?? {}, step) ? schema.properties?.[step] : undefined;
  if (property !== undefined) return [property];
  return typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
}

/** The sections that know a setting of this name: `redis.host`, `upstreams[].host`. */
export function homesOf(name: string, schema = wholeSchema(), prefix = ''): string[] {
  const homes: string[] = [];
  for (const form of forms(schema)) {
    if (Object.hasOwn(form.properties ?? {}, name)) homes.push(`${prefix}${name}`);
    for (const [key, child] of Object.entries(form.properties ?? {})) {
      homes.push(...homesOf(name, child, `${prefix}${key}.`));
    }
    if (form.items !== undefined) homes.push(...homesOf(name, form.items, prefix.replace(/\.$/, '[].')));
    if (typeof form.additionalProperties === 'object') {
      homes.push(...homesOf(name, form.additionalProperties, `${prefix}DOMAIN.`));
    }
  }
  return homes;
}
