import { registerProcess } from './process-metrics.ts';
import { Registry, type Snapshot } from './registry.ts';

export type WorkersState = {
  /** Processes that the config asks for; null where another process tells. */
  configured: number | null;
  /** Of those that this process knows, the ones that serve logins. */
  ready: number;
  /** How often one had to be started again. */
  restarts: number;
};

/** @param ask null where nothing is known of it */
export function registerWorkers(registry: Registry, ask: () => WorkersState | null): void {
  registry.asked('teapop_proxy_workers', 'Processes that share the ports.', () => ask()?.configured ?? null);
  registry.asked(
    'teapop_proxy_workers_ready',
    'Those of them that serve logins now.',
    () => ask()?.ready ?? null,
  );
  registry.askedCount(
    'teapop_proxy_worker_restarts_total',
    'Workers that ended unasked and were started again.',
    () => ask()?.restarts ?? 0,
  );
}

/** What the process counts that the workers belong to, itself included. */
export class PrimaryMetrics {
  readonly #registry = new Registry();
  readonly #refresh: () => Promise<void>;

  constructor(states: { workers(): WorkersState; logLinesDropped(): number }) {
    registerWorkers(this.#registry, () => states.workers());
    registerLogLines(this.#registry, () => states.logLinesDropped());
    this.#refresh = registerProcess(this.#registry);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async snapshot(): Promise<Snapshot> {
    await this.#refresh();
    return this.#registry.snapshot();
  }
}

export function registerLogLines(registry: Registry, dropped: () => number): void {
  registry.askedCount(
    'teapop_proxy_log_lines_dropped_total',
    'Log lines lost because the reader of the log did not keep up.',
    dropped,
  );
}
