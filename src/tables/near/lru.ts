/** A row in its place among the others, from the one used last to the one used longest ago. */
type Place<Value> = {
  group: string;
  name: string;
  value: Value;
  octets: number;
  newer: Place<Value>;
  older: Place<Value>;
};

export type LruBounds = { rows: number; octets: number };

/**
 * Rows by group and name, of which the ones used longest ago go first. Two maps instead of one key made of both:
 * a look-up makes no string, and a whole group goes at once.
 */
export class Lru<Value> {
  readonly #bounds: LruBounds;
  readonly #groups = new Map<string, Map<string, Place<Value>>>();
  /** Stands between the newest and the oldest. */
  readonly #ends: Place<Value>;
  #rows = 0;
  #octets = 0;

  constructor(bounds: LruBounds) {
    this.#bounds = bounds;
    const ends = { group: '', name: '', octets: 0 } as Place<Value>;
    ends.newer = ends.older = ends;
    this.#ends = ends;
  }

  get rows(): number {
    return this.#rows;
  }

  /** As they were given to `set`. */
  get octets(): number {
    return this.#octets;
  }

  get(group: string, name: string): Value | undefined {
    const place = this.#groups.get(group)?.get(name);
    if (place === undefined) return undefined;
    if (this.#ends.older !== place) {
      unlink(place);
      this.#putFirst(place);
    }
    return place.value;
  }

  /** Keeps a row and lets others go for it; one that is larger than all the room is not kept. */
  set(group: string, name: string, value: Value, octets: number): void {
    this.delete(group, name);
    if (octets > this.#bounds.octets) return;
    const place = { group, name, value, octets } as Place<Value>;
    this.#groupOf(group).set(name, place);
    this.#putFirst(place);
    this.#rows++;
    this.#octets += octets;
    while (this.#rows > this.#bounds.rows || this.#octets > this.#bounds.octets) this.#drop(this.#ends.newer);
  }

  delete(group: string, name: string): boolean {
    const place = this.#groups.get(group)?.get(name);
    if (place !== undefined) this.#drop(place);
    return place !== undefined;
  }

  /** Returns how many rows went. */
  deleteGroup(group: string): number {
    const places = [...(this.#groups.get(group)?.values() ?? [])];
    for (const place of places) this.#drop(place);
    return places.length;
  }

  clear(): number {
    const rows = this.#rows;
    this.#groups.clear();
    this.#ends.newer = this.#ends.older = this.#ends;
    this.#rows = this.#octets = 0;
    return rows;
  }

  #groupOf(group: string): Map<string, Place<Value>> {
    const known = this.#groups.get(group);
    if (known !== undefined) return known;
    const fresh = new Map<string, Place<Value>>();
    this.#groups.set(group, fresh);
    return fresh;
  }

  #putFirst(place: Place<Value>): void {
    place.newer = this.#ends;
    place.older = this.#ends.older;
    this.#ends.older.newer = place;
    this.#ends.older = place;
  }

  #drop(place: Place<Value>): void {
    unlink(place);
    const group = this.#groups.get(place.group)!;
    group.delete(place.name);
    if (group.size === 0) this.#groups.delete(place.group);
    this.#rows--;
    this.#octets -= place.octets;
  }
}

function unlink(place: Place<unknown>): void {
  place.newer.older = place.older;
  place.older.newer = place.newer;
}
