/**
 * Counts by label values as plain numbers: counting costs a map look-up and an addition, and prom-client reads
 * the sums when it is scraped. The combinations are fixed at the start, so each is shown from 0 on (a rate over
 * a counter that appears at 1 misses its first event) and none can be added by what a client does.
 */
export class Tally<Label extends string> {
  readonly #cells = new Map<string, Cell<Label>>();
  readonly #other: Cell<Label>;

  /** @param combinations the label values, in the order of `labels`; anything else is counted under `other` for each label */
  constructor(labels: readonly Label[], combinations: Iterable<readonly string[]>) {
    for (const values of combinations) this.#cells.set(key(values), cell(labels, values));
    this.#other = cell(
      labels,
      labels.map(() => 'other'),
    );
  }

  add(amount: number, ...values: string[]): void {
    this.cell(...values).value += amount;
  }

  /** Where the combination is counted, for whoever counts there often. */
  cell(...values: string[]): Cell<Label> {
    return this.#cells.get(values.length === 1 ? values[0]! : key(values)) ?? this.#other;
  }

  /** Every combination; 'other' only once something was counted there. */
  *cells(): Iterable<Readonly<Cell<Label>>> {
    yield* this.#cells.values();
    if (this.#other.value !== 0) yield this.#other;
  }
}

export type Cell<Label extends string> = { labels: Record<Label, string>; value: number };

function cell<Label extends string>(labels: readonly Label[], values: readonly string[]): Cell<Label> {
  const pairs = labels.map((label, index) => [label, values[index] ?? 'other']);
  return { labels: Object.fromEntries(pairs) as Record<Label, string>, value: 0 };
}

/** No label value holds a line end. */
function key(values: readonly string[]): string {
  return values.join('\n');
}

/** Each combination of the lists' members. */
export function combinations(...lists: readonly (readonly string[])[]): string[][] {
  return lists.reduce<string[][]>(
    (found, list) => found.flatMap((values) => list.map((value) => [...values, value])),
    [[]],
  );
}
