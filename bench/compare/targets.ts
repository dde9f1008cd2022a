/** What teapop-proxy sets itself: at most so many times what a peer costs, in one run. */
import type { Figures } from './run.ts';

export type Target = {
  workload: string;
  /** A column of the workload. */
  figure: string;
  what: string;
  /** Which of ours; on Bun where nothing is said. */
  ours: 'bun' | 'node';
  peer: string;
  /** Ours divided by the peer's. */
  most: number;
};

export type Judged = Target & { own: number; theirs: number; ratio: number };

export const TARGETS: readonly Target[] = [
  ...on('w1', 'cpuPerSession', 'polls, CPU per session', {
    haproxy: 1.2,
    nginx: 0.8,
    'nginx-auth': 0.4,
    dovecot: 0.4,
  }),
  ...on('w1l', 'loginP50', 'polls at 200/s, login p50', { nginx: 1, dovecot: 0.7 }),
  ...on('w1l', 'loginP99', 'polls at 200/s, login p99', { nginx: 1, dovecot: 0.7 }),
  ...on('w3', 'cpuPerOctet', 'RETR of 10 MiB, CPU per octet', { nginx: 0.75, haproxy: 0.75 }),
  ...on('w3b', 'cpuPerMessage', 'RETR of 4 KiB one by one, CPU per message', {
    haproxy: 1.15,
    dovecot: 0.75,
  }),
  ...on('w3p', 'cpuPerMessage', 'RETR of 4 KiB pipelined, CPU per message', { nginx: 0.8 }),
  ...on('w4', 'pssPerSession-1000', '1,000 idle sessions, PSS', { nginx: 1, dovecot: 0.25 }),
  ...on('w4', 'pssPerSession-5000', '5,000 idle sessions, PSS', { nginx: 1, dovecot: 0.25 }),
  ...on('w4t', 'pssPerSession-1000', '1,000 idle TLS sessions, PSS', { haproxy: 0.6, nginx: 0.5 }),
  ...on('w5', 'cpuPerSession', 'TLS polls, full handshakes, CPU per session', { haproxy: 0.75, nginx: 0.75 }),
  ...on('w5r', 'cpuPerSession', 'TLS polls, resumed, CPU per session', { haproxy: 0.75, nginx: 0.75 }),
  ...on('w1', 'cpuPerSession', 'polls, CPU per session', { nginx: 1.2, 'nginx-auth': 0.7 }, 'node'),
];

function on(
  workload: string,
  figure: string,
  what: string,
  most: Record<string, number>,
  ours: Target['ours'] = 'bun',
): Target[] {
  return Object.entries(most).map(([peer, ratio]) => ({ workload, figure, what, ours, peer, most: ratio }));
}

/** Only those whose both sides were measured. */
export function judge(targets: readonly Target[], figures: Figures): Judged[] {
  return targets.flatMap((target) => {
    const own = figures.get(target.workload)?.get(target.ours)?.[target.figure] ?? Number.NaN;
    const theirs = figures.get(target.workload)?.get(target.peer)?.[target.figure] ?? Number.NaN;
    const ratio = own / theirs;
    return Number.isFinite(ratio) ? [{ ...target, own, theirs, ratio }] : [];
  });
}
