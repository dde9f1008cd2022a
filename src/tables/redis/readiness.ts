import { TablesUnavailable } from '../teapop/store.ts';

/** Who hears of each change between ready and not. */
export class Readiness {
  readonly #listeners = new Set<() => void>();

  add(listener: () => void): void {
    this.#listeners.add(listener);
  }

  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Resolves once nothing hinders; rejects after `within` ms with what does, or with `name` where that is gone. */
  when(hindrance: () => string | null, within: number, name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (hindrance() !== null) return;
        clearTimeout(timer);
        this.#listeners.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#listeners.delete(check);
        reject(new TablesUnavailable(hindrance() ?? name));
      }, within);
      this.#listeners.add(check);
      check();
    });
  }
}
