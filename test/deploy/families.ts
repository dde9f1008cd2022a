import assert from 'node:assert/strict';
import { createMetrics } from '../../src/ops/metrics.ts';

/** A metric as the proxy exposes it: its type and, by label, the values that it can have. */
export type Family = { type: string; labels: Map<string, Set<string>> };

/** Everything on /metrics, read from the text that Prometheus gets. */
export async function families(): Promise<Map<string, Family>> {
  const metrics = createMetrics({
    listeners: ['pop3', 'pop3s'],
    upstreams: ['mailstore'],
    servers: [{ upstream: 'mailstore', server: 'm1' }],
    version: '0.0.0',
    states: {
      tables: () => ({ ageSeconds: 1, domains: 1, users: 1, usable: true }),
      redisUp: () => true,
      near: () => ({
        lookups: { memory: 0, redis: 0, snapshot: 0, unavailable: 0 },
        ...{ hot: 1, unknown: 1, octets: 1, invalidated: 0 },
        ...{ generation: 1, feedTrusted: true, feedAgeSeconds: 1 },
        snapshot: { generation: 1, ageSeconds: 1, octets: 1 },
      }),
      verifier: () => ({ running: 0, memory: 0, waiting: { known: 0, familiar: 0, clean: 0, doubtful: 0 } }),
      loginCache: () => ({
        hits: { accepted: 0, rejected: 0 },
        misses: 0,
        entries: { accepted: 0, rejected: 0 },
      }),
      logLinesDropped: () => 0,
      workers: () => ({ configured: 1, ready: 1, restarts: 0 }),
    },
  });
  const found = new Map<string, Family>();
  let current: Family | undefined;
  for (const line of (await metrics.text()).split('\n')) {
    const head = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (head !== null) {
      current = { type: head[2]!, labels: new Map() };
      found.set(head[1]!, current);
    } else if (line !== '' && !line.startsWith('#')) addLabels(current!.labels, line);
  }
  return found;
}

function addLabels(labels: Map<string, Set<string>>, sample: string): void {
  for (const [, name = '', value = ''] of sample.matchAll(/(\w+)="([^"]*)"/g)) {
    if (name === 'le') continue;
    labels.set(name, (labels.get(name) ?? new Set()).add(value));
  }
}

/** Labels that Prometheus adds, and that of the buckets. */
const ALWAYS = ['job', 'instance', 'le'];

/**
 * Checks a PromQL expression against what the proxy exposes: each metric, each label that is matched or grouped by,
 * and each value of a label. Returns the names of the metrics.
 */
export function checkExpression(expression: string, known: Map<string, Family>): string[] {
  const names: string[] = [];
  const labels = new Map(ALWAYS.map((label) => [label, new Set<string>()]));
  for (const [, written = ''] of expression.matchAll(/\b((?:teapop_proxy|process)_\w+)/g)) {
    const name = known.has(written) ? written : written.replace(/_(bucket|count|sum)$/, '');
    const family = known.get(name);
    assert.ok(family, `${written} is not exposed: ${expression}`);
    assert.equal(
      name !== written,
      family.type === 'histogram',
      `${written} of a ${family.type}: ${expression}`,
    );
    names.push(name);
    for (const [label, values] of family.labels) labels.set(label, values);
  }
  for (const [, grouped = ''] of expression.matchAll(/\bby \(([^)]*)\)/g))
    for (const label of grouped.split(', ')) assert.ok(labels.has(label), `no label ${label}: ${expression}`);
  for (const [, label = '', text = ''] of expression.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)) {
    assert.ok(labels.has(label), `no label ${label}: ${expression}`);
    if (ALWAYS.includes(label)) continue;
    for (const value of text.split('|'))
      assert.ok(labels.get(label)!.has(value), `no ${label} ${value}: ${expression}`);
  }
  return names;
}
