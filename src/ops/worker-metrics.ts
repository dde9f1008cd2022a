import { Families, type Snapshot } from './families.ts';
import { registerProcess } from './process-metrics.ts';

export type WorkersState = {
  /** Processes that the config asks for; null where another process tells. */
  configured: number | null;
  /** Of those that this process knows, the ones that serve logins. */
  ready: number;
  /** How often one had to be started again. */
  restarts: number;
};

/** @param ask null where nothing is known of it */
export function registerWorkers(families: Families, ask: () => WorkersState | null): void {
  families.asked('teapop_proxy_workers', 'Processes that share the ports.', () => ask()?.configured ?? null);
  families.asked(
    'teapop_proxy_workers_ready',
    'Those of them that serve logins now.',
    () => ask()?.ready ?? null,
  );
  families.askedCount(
    'teapop_proxy_worker_restarts_total',
    'Workers that ended unasked and were started again.',
    () => ask()?.restarts ?? 0,
  );
}

/** What the process counts that the workers belong to, itself included. */
export class PrimaryMetrics {
  readonly #families = new Families();
  readonly #refresh: () => Promise<void>;

  constructor(states: { workers(): WorkersState; logLinesDropped(): number }) {
    registerWorkers(this.#families, () => states.workers());
    registerLogLines(this.#families, () => states.logLinesDropped());
    this.#refresh = registerProcess(this.#families);
  }

  get contentType(): string {
    return this.#families.contentType;
  }

  async snapshot(): Promise<Snapshot> {
    await this.#refresh();
    return this.#families.snapshot();
  }
}

export function registerLogLines(families: Families, dropped: () => number): void {
  families.askedCount(
    'teapop_proxy_log_lines_dropped_total',
    'Log lines lost because the reader of the log did not keep up.',
    dropped,
  );
}
