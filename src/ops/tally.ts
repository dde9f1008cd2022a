/**
 * Counts by label values as plain numbers: counting costs a map look-up and an addition, and prom-client reads
 * the sums when it is scraped. The combinations are fixed at the start, so each is shown from 0 on (a rate over
 * a counter that appears at 1 misses its first event) and none can be added by what a client does.
 */
export class Tally<Label extends string> {
  /** By the value of each label in turn, NONE for those that there are not: a look-up makes no string and no array. */
  readonly #cells = new Map<string, Map<string, Map<string, Cell<Label>>>>();
  readonly #all: Cell<Label>[] = [];
  readonly #other: Cell<Label>;

  /**
   * @param labels three at most
   * @param combinations the label values, in the order of `labels`; anything else is counted under `other` for each label
   */
  constructor(labels: readonly Label[], combinations: Iterable<readonly string[]>) {
    for (const values of combinations) this.#put(values, cell(labels, values));
    this.#other = cell(
      labels,
      labels.map(() => 'other'),
    );
  }

  add(amount: number, first = NONE, second = NONE, third = NONE): void {
    const found = this.#cells.get(first)?.get(second)?.get(third) ?? this.#other;
    found.value += amount;
  }

  /** Every combination; 'other' only once something was counted there. */
  *cells(): Iterable<Readonly<Cell<Label>>> {
    yield* this.#all;
    if (this.#other.value !== 0) yield this.#other;
  }

  #put([first = NONE, second = NONE, third = NONE]: readonly string[], cell: Cell<Label>): void {
    const inFirst = entryOf(this.#cells, first, () => new Map<string, Map<string, Cell<Label>>>());
    entryOf(inFirst, second, () => new Map<string, Cell<Label>>()).set(third, cell);
    this.#all.push(cell);
  }
}

/** No label has this value. */
const NONE = '';

function entryOf<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

export type Cell<Label extends string> = { labels: Record<Label, string>; value: number };

function cell<Label extends string>(labels: readonly Label[], values: readonly string[]): Cell<Label> {
  const pairs = labels.map((label, index) => [label, values[index] ?? 'other']);
  return { labels: Object.fromEntries(pairs) as Record<Label, string>, value: 0 };
}

/** Each combination of the lists' members. */
export function combinations(...lists: readonly (readonly string[])[]): string[][] {
  return lists.reduce<string[][]>(
    (found, list) => found.flatMap((values) => list.map((value) => [...values, value])),
    [[]],
  );
}
