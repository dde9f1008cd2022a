/** A process for stdout.test.ts: logs much more than anybody reads, watches its own event loop, then ends. */
import { createLog } from '../../src/ops/log.ts';

const LINES = 60_000;
const PER_TURN = 1_000;

const log = createLog({ level: 'info' });
process.on('exit', () => log.flushNow());

let longest = 0;
let last = performance.now();
for (let index = 0; index < LINES; index += 1) {
  log.event('info', 'line', { index, text: 'x'.repeat(400) });
  if (index % PER_TURN === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }
}
process.stderr.write(`${JSON.stringify({ longest, dropped: log.dropped })}\n`);
await log.flush();
log.event('info', 'last-words', { dropped: log.dropped });
process.exit(0);
