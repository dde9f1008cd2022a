/** Mixed traffic for so many minutes to two instances, one in plain text and one with TLS, and what becomes of them. */
import { type Account, descriptors, pssKiB, rssKiB } from '../compare/accounting.ts';
import { type Site, startPeer } from '../compare/instances.ts';
import { table } from '../compare/markdown.ts';
import type { Peer } from '../compare/peers/peer.ts';
import { type Counts, startTraffic } from './traffic.ts';
import { EVERY, type Measure, type Sample, type Verdict, verdicts } from './verdict.ts';

export type Soaked = { title: string; minutes: number; counts: Counts; verdicts: readonly Verdict[] };

const TITLES: Record<Measure, string> = { rss: 'RSS, MiB', pss: 'PSS, MiB', descriptors: 'descriptors' };
/** KiB in a MiB; descriptors are told as they are. */
const UNITS: Record<Measure, number> = { rss: 1_024, pss: 1_024, descriptors: 1 };

/** The mailstore has to be up. */
export async function soak(
  site: Site,
  peer: Peer,
  minutes: number,
  say: (line: string) => void,
): Promise<Soaked> {
  const plain = await startPeer(site, { id: peer.id, way: peer });
  try {
    const secure = await startPeer(site, { id: peer.id, way: peer }, { tls: true });
    try {
      const traffic = startTraffic(plain.port, secure.port, site.password);
      const accounts = [...plain.account, ...secure.account];
      const samples = await sampled(accounts, minutes, (sample) =>
        say(JSON.stringify({ ...sample, ...traffic.counts })),
      );
      traffic.stop();
      return { title: peer.title, minutes, counts: { ...traffic.counts }, verdicts: verdicts(samples) };
    } finally {
      await secure.stop();
    }
  } finally {
    await plain.stop();
  }
}

async function sampled(
  accounts: readonly Account[],
  minutes: number,
  seen: (sample: Sample) => void,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const began = performance.now();
  const total = (read: (account: Account) => number) =>
    accounts.reduce((sum, account) => sum + read(account), 0);
  while (performance.now() - began < minutes * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, EVERY));
    const seconds = Math.round((performance.now() - began) / 1_000);
    const sample = { seconds, rss: total(rssKiB), pss: total(pssKiB), descriptors: total(descriptors) };
    samples.push(sample);
    seen(sample);
  }
  return samples;
}

export function isWell({ counts, verdicts: found }: Soaked): boolean {
  return counts.errors === 0 && found.every(({ flat }) => flat);
}

/** Markdown, of as many runs as there were. */
export function soakTable(runs: readonly Soaked[]): string {
  const heads = ['', 'middle third', 'last third', 'an hour', ''];
  const rows = runs.flatMap(({ title, verdicts: found }) =>
    found.map(({ measure, middle, last, slope, flat }) => {
      const shown = (value: number) => (value / UNITS[measure]).toFixed(1);
      const growth = `${slope < 0 ? '−' : '+'}${shown(Math.abs(slope))}`;
      const verdict = flat ? 'flat' : '**not flat**';
      return [`${title}: ${TITLES[measure]}`, shown(middle), shown(last), growth, verdict];
    }),
  );
  return [table(heads, rows), '', ...runs.map(told)].join('\n');
}

function told({ title, minutes, counts }: Soaked): string {
  const { sessions, slow, refused, cut, errors, firstError } = counts;
  const number = (value: number) => value.toLocaleString('en');
  const wrong = firstError === null ? '' : `, the first: ${firstError}`;
  return (
    `- ${title.replaceAll('**', '')}, ${minutes} minutes: ${number(sessions)} sessions, ${number(slow)} slow readers, ` +
    `${number(refused)} wrong passwords, ${number(cut)} clients gone in the midst; ${number(errors)} errors${wrong}.`
  );
}
