/** The input that runs now, in memory that two threads share: the one may hang, the other must be able to tell. */

/** Numbers of four octets each: inputs so far, the length of this one, the place of its target among all. */
const NUMBERS = 3;
/** Twice the longest input. */
const OCTETS = 32_768;

export class Running {
  readonly shared: SharedArrayBuffer;
  readonly #numbers: Int32Array;
  readonly #octets: Uint8Array;

  constructor(shared = new SharedArrayBuffer(NUMBERS * 4 + OCTETS)) {
    this.shared = shared;
    this.#numbers = new Int32Array(shared, 0, NUMBERS);
    this.#octets = new Uint8Array(shared, NUMBERS * 4);
  }

  get count(): number {
    return Atomics.load(this.#numbers, 0);
  }

  /** Another input begins. */
  note(target: number, input: Uint8Array): void {
    this.#octets.set(input);
    Atomics.store(this.#numbers, 1, input.length);
    Atomics.store(this.#numbers, 2, target);
    Atomics.add(this.#numbers, 0, 1);
  }

  get target(): number {
    return Atomics.load(this.#numbers, 2);
  }

  /** A copy. */
  get input(): Uint8Array {
    return this.#octets.slice(0, Atomics.load(this.#numbers, 1));
  }
}
