import type { Families } from './families.ts';
import { type ProcessState, processState } from './process.ts';

/**
 * The names that every Prometheus client library gives these.
 * @returns a function that reads them anew
 */
export function registerProcess(families: Families): () => Promise<void> {
  let state: ProcessState | null = null;
  const read = (key: keyof ProcessState) => () => state?.[key] ?? null;
  families.askedCount('process_cpu_seconds_total', 'User and system CPU time.', () => state?.cpuSeconds ?? 0);
  families.asked('process_resident_memory_bytes', 'Resident memory.', read('residentBytes'));
  families.asked('process_heap_bytes', "Heap in use by the runtime's objects.", read('heapBytes'));
  families.asked('process_open_fds', 'Open file descriptors.', read('openFiles'));
  families.asked('process_max_fds', 'Most file descriptors allowed.', read('maxFiles'));
  families.asked('process_start_time_seconds', 'Start, in seconds since 1970.', read('startedAt'), 'min');
  return async () => {
    state = await processState();
  };
}
