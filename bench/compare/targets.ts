/** What teapop-proxy sets itself: at most so many times what a peer costs, in one run; and some figures of its own. */
import type { Figures } from './run.ts';

export type Target = {
  workload: string;
  /** A column of the workload. */
  figure: string;
  what: string;
  /** Which of ours; on Bun where nothing is said. */
  ours: 'bun' | 'node';
  /** A peer's id; ours is divided by its figure. Else what the figure itself is measured by. */
  against: { peer: string } | { itself: string; unit: string };
  bound: 'at most' | 'at least';
  limit: number;
};

/** `measured` is a ratio, or the figure itself. */
export type Judged = Target & { measured: number };

export const TARGETS: readonly Target[] = [
  ...on('w1', 'cpuPerSession', 'polls, CPU per session', {
    haproxy: 1.2,
    nginx: 0.8,
    'nginx-auth': 0.4,
    dovecot: 0.4,
  }),
  ...on('w1l', 'loginP50', 'polls at 200/s, login p50', { nginx: 1, dovecot: 0.7 }),
  ...on('w1l', 'loginP99', 'polls at 200/s, login p99', { nginx: 1, dovecot: 0.7 }),
  ...on('w2', 'cpuPerLogin-cold', 'Argon2id, first logins, CPU per login', { hash: 1.05 }),
  own('w2', 'busyPercent-cold', 'Argon2id, first logins', 'all CPUs busy', { unit: ' %', atLeast: 95 }),
  ...on('w2', 'cpuPerSession-again', 'Argon2id, the same users again, CPU per login', { dovecot: 0.01 }),
  ...on('w2s', 'cpuPerLogin-cold', 'Argon2id of 19 MiB, first logins, CPU per login', { hash: 1.05 }),
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
  own('w6a', 'p99Ratio', 'flood of wrong passwords, p99 of good logins', 'itself before the flood', {
    unit: ' ×',
    atMost: 1.5,
  }),
  own('w6a', 'lost', 'flood of wrong passwords, good logins lost', 'none', { unit: '', atMost: 0 }),
  ...on('w1', 'cpuPerSession', 'polls, CPU per session', { nginx: 1.2, 'nginx-auth': 0.7 }, 'node'),
];

function on(
  workload: string,
  figure: string,
  what: string,
  most: Record<string, number>,
  ours: Target['ours'] = 'bun',
): Target[] {
  return Object.entries(most).map(([peer, limit]) => {
    return { workload, figure, what, ours, against: { peer }, bound: 'at most', limit };
  });
}

type OwnBound = { unit: string } & ({ atMost: number } | { atLeast: number });

function own(workload: string, figure: string, what: string, itself: string, bound: OwnBound): Target {
  const against = { itself, unit: bound.unit };
  const same = { workload, figure, what, ours: 'bun', against } as const;
  return 'atMost' in bound
    ? { ...same, bound: 'at most', limit: bound.atMost }
    : { ...same, bound: 'at least', limit: bound.atLeast };
}

/** Only those whose both sides were measured. */
export function judge(targets: readonly Target[], figures: Figures): Judged[] {
  return targets.flatMap((target) => {
    const { workload, figure, ours, against } = target;
    const of = (peer: string) => figures.get(workload)?.get(peer)?.[figure] ?? Number.NaN;
    const measured = 'peer' in against ? of(ours) / of(against.peer) : of(ours);
    return Number.isFinite(measured) ? [{ ...target, measured }] : [];
  });
}

export function isMet({ measured, bound, limit }: Pick<Judged, 'measured' | 'bound' | 'limit'>): boolean {
  return bound === 'at most' ? measured <= limit : measured >= limit;
}
