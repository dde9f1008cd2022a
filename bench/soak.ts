/**
 * Mixed traffic for so many minutes, and whether memory and descriptors stay flat:
 *
 *     bun bench/soak.ts [--minutes 30] [--runtime bun|node]
 *
 * Two instances, one in plain text and one with TLS. A line each 10 s to standard error, the table to standard output;
 * exit code 1 where something grew or any session went wrong. `npm run bench -- --soak 30` writes the table to the page.
 */
import { parseArgs } from 'node:util';
import { temporaryFolder } from '../test/support/temp.ts';
import { oursOnBun, oursOnNode } from './compare/peers/ours.ts';
import { makeSite, withSink } from './compare/site.ts';
import { isWell, soak, soakTable } from './soak/soak.ts';
import { LEAST_MINUTES, MOST_MINUTES } from './soak/verdict.ts';

const EX_USAGE = 64;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, runtime: { type: 'string', default: 'bun' } },
});
const minutes = Number(values.minutes);
const peer = { bun: oursOnBun, node: oursOnNode }[values.runtime];

if (!(minutes >= LEAST_MINUTES && minutes <= MOST_MINUTES) || peer === undefined) {
  process.stderr.write(
    `--minutes can be ${LEAST_MINUTES} to ${MOST_MINUTES}, --runtime bun or node; not '${values.minutes}' and '${values.runtime}'\n`,
  );
  process.exit(EX_USAGE);
}
const folder = temporaryFolder('soak');
try {
  const site = await makeSite(folder.path, { loadCore: 0, proxyCore: 1 });
  const soaked = await withSink(site, () =>
    soak(site, peer, minutes, (line) => process.stderr.write(`${line}\n`)),
  );
  process.stdout.write(`${soakTable([soaked])}\n`);
  process.exitCode = isWell(soaked) ? 0 : 1;
} finally {
  folder.remove();
}
process.exit();
