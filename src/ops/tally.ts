/**
 * Counts by label values as plain numbers: counting costs a map look-up and an addition, and prom-client reads
 * the sums when it is scraped. The combinations are fixed at the start, so each is shown from 0 on (a rate over
 * a counter that appears at 1 misses its first event) and none can be added by what a client does.
 */
export class Tally<Label extends string> {
  /** By the value of each label in turn: a look-up makes no string and no array. */
  readonly #cells: Place<Label> = new Map();
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

  add(amount: number, first = NONE, second?: string, third?: string): void {
    let place = this.#cells.get(first);
    if (second !== undefined) place = within(place, second);
    if (third !== undefined) place = within(place, third);
    const found = place === undefined || place instanceof Map ? this.#other : place;
    found.value += amount;
  }

  /** Every combination; 'other' only once something was counted there. */
  *cells(): Iterable<Readonly<Cell<Label>>> {
    yield* this.#all;
    if (this.#other.value !== 0) yield this.#other;
  }

  #put(values: readonly string[], cell: Cell<Label>): void {
    const names = values.length === 0 ? [NONE] : values;
    let place = this.#cells;
    for (const name of names.slice(0, -1)) {
      const next = place.get(name) ?? new Map();
      place.set(name, next);
      place = next as Place<Label>;
    }
    place.set(names.at(-1)!, cell);
    this.#all.push(cell);
  }
}

/** Of a tally without labels. */
const NONE = '';

type Place<Label extends string> = Map<string, Cell<Label> | Place<Label>>;

function within<Label extends string>(place: Cell<Label> | Place<Label> | undefined, name: string) {
  return place instanceof Map ? place.get(name) : undefined;
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
