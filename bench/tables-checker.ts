/**
 * Flips passwords, removes and adds users through `sync` while 8 clients log in, and counts the answers that were
 * wrong: accepted with a password replaced more than a second before, or refused with the right one.
 *
 *     bun bench/tables-checker.ts [CHANGES]      10000 by default; a quarter of an hour at most
 */
import { checkTables } from '../test/support/tables-checker.ts';

const changes = Number(process.argv[2] ?? 10_000);
const began = performance.now();
const report = await checkTables({ changes, changesAtOnce: 10, clients: 8 });
const seconds = ((performance.now() - began) / 1000).toFixed(0);
process.stdout.write(`${JSON.stringify({ ...report, seconds: Number(seconds) }, null, 2)}\n`);
process.exitCode = report.stale + report.refused === 0 ? 0 : 1;
