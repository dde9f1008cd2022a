/** Often enough to catch a stall of a tenth of a second, rare enough to cost nothing. */
const INTERVAL_MS = 100;

/**
 * Tells, ten times a second, by how many seconds the event loop was late. `perf_hooks.monitorEventLoopDelay` is
 * not used: the two runtimes disagree on whether it includes its own interval.
 * @returns a function that ends it
 */
export function watchEventLoop(observe: (seconds: number) => void): () => void {
  let due = performance.now() + INTERVAL_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    observe(Math.max(0, now - due) / 1000);
    due = now + INTERVAL_MS;
  }, INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
