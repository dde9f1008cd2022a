/**
 * Mixed traffic for so many minutes, and whether memory and descriptors stay flat:
 *
 *     bun bench/soak.ts [--minutes 30] [--runtime bun|node]
 *
 * Two instances, one in plain text and one with TLS. A line each 10 s, the verdict at the end; exit code 1 where
 * something grew or any session went wrong.
 */
import { parseArgs } from 'node:util';
import { temporaryFolder } from '../test/support/temp.ts';
import { type Account, descriptors, pssKiB, rssKiB } from './compare/accounting.ts';
import { startPeer } from './compare/instances.ts';
import { oursOnBun, oursOnNode } from './compare/peers/ours.ts';
import { makeSite, withSink } from './compare/site.ts';
import { startTraffic } from './soak/traffic.ts';
import { LEAST_SAMPLES, type Sample, verdicts } from './soak/verdict.ts';

const EVERY = 10_000;
const MOST_MINUTES = 24 * 60;
const EX_USAGE = 64;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, runtime: { type: 'string', default: 'bun' } },
});
const minutes = Number(values.minutes);
const peer = { bun: oursOnBun, node: oursOnNode }[values.runtime];

if (!(minutes >= (LEAST_SAMPLES * EVERY) / 60_000 && minutes <= MOST_MINUTES) || peer === undefined) {
  process.stderr.write(`--minutes can be 1 to ${MOST_MINUTES}, --runtime bun or node\n`);
  process.exit(EX_USAGE);
}
const folder = temporaryFolder('soak');
try {
  process.exitCode = (await soak(peer)) ? 0 : 1;
} finally {
  folder.remove();
}
process.exit();

async function soak(ours: typeof oursOnBun): Promise<boolean> {
  const site = await makeSite(folder.path, { loadCore: 0, proxyCore: 1 });
  return withSink(site, async () => {
    const plain = await startPeer(site, { id: ours.id, way: ours });
    try {
      const secure = await startPeer(site, { id: ours.id, way: ours }, { tls: true });
      try {
        const traffic = startTraffic(plain.port, secure.port, site.password);
        const samples = await sampled([...plain.account, ...secure.account], () => traffic.counts);
        traffic.stop();
        return told(samples, traffic.counts);
      } finally {
        await secure.stop();
      }
    } finally {
      await plain.stop();
    }
  });
}

async function sampled(accounts: readonly Account[], counts: () => object): Promise<Sample[]> {
  const samples: Sample[] = [];
  const began = performance.now();
  const total = (read: (account: Account) => number) =>
    accounts.reduce((sum, account) => sum + read(account), 0);
  while (performance.now() - began < minutes * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, EVERY));
    const seconds = Math.round((performance.now() - began) / 1_000);
    const sample = { seconds, rss: total(rssKiB), pss: total(pssKiB), descriptors: total(descriptors) };
    samples.push(sample);
    process.stdout.write(`${JSON.stringify({ ...sample, ...counts() })}\n`);
  }
  return samples;
}

/** @returns whether all is well */
function told(
  samples: readonly Sample[],
  { errors, firstError }: { errors: number; firstError: string | null },
): boolean {
  const found = verdicts(samples);
  for (const { measure, middle, last, slope, flat } of found) {
    const numbers = `middle third ${middle.toFixed(0)}, last third ${last.toFixed(0)}, ${slope.toFixed(0)} an hour`;
    process.stdout.write(
      `${measure}${measure === 'descriptors' ? '' : ' KiB'}: ${numbers}: ${flat ? 'flat' : 'NOT FLAT'}\n`,
    );
  }
  process.stdout.write(`errors: ${errors}${firstError === null ? '' : `, the first: ${firstError}`}\n`);
  return errors === 0 && found.every(({ flat }) => flat);
}
