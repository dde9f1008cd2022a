import { type ProcessState, processState } from './process.ts';
import type { Registry } from './registry.ts';

/**
 * The names that every Prometheus client library gives these.
 * @returns a function that reads them anew
 */
export function registerProcess(registry: Registry): () => Promise<void> {
  let state: ProcessState | null = null;
  const read = (key: keyof ProcessState) => () => state?.[key] ?? null;
  registry.askedCount('process_cpu_seconds_total', 'User and system CPU time.', () => state?.cpuSeconds ?? 0);
  registry.asked('process_resident_memory_bytes', 'Resident memory.', read('residentBytes'));
  registry.asked('process_heap_bytes', "Heap in use by the runtime's objects.", read('heapBytes'));
  registry.asked('process_open_fds', 'Open file descriptors.', read('openFiles'));
  registry.asked('process_max_fds', 'Most file descriptors allowed.', read('maxFiles'));
  registry.asked('process_start_time_seconds', 'Start, in seconds since 1970.', read('startedAt'), 'min');
  return async () => {
    state = await processState();
  };
}
