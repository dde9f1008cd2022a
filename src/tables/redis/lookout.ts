/** Looks again and again, one look at a time: in its own time, and sooner where something hints at a change. */
export class Lookout {
  readonly #look: () => Promise<number>;
  #looking = false;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #closed = false;

  /** @param look never rejects; resolves with the ms until the next one */
  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Not later than in so many ms. A look that is under way sees what there is, and says itself when the next is due. */
  lookIn(delay: number): void {
    const due = performance.now() + delay;
    if (this.#closed || this.#looking || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => void this.lookNow(), delay);
  }

  async lookNow(): Promise<void> {
    this.#looking = true;
    this.#due = Number.POSITIVE_INFINITY;
    const next = await this.#look();
    this.#looking = false;
    this.lookIn(next);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
