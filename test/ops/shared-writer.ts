/** A process for shared-stdout.test.ts: one of several that log to one standard output. */
import { createLog } from '../../src/ops/log.ts';

const LINES = 3_000;

const log = createLog({ level: 'info', worker: Number(process.argv[2]) });
for (let index = 0; index < LINES; index += 1) {
  // Up to what a line can be at most, and none of its octets.
  log.event('info', 'line', { index, text: 'ä'.repeat((index * 37) % 1000) });
  if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
await log.flush();
