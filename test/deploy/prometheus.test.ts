import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { run } from '../support/process.ts';
import { requireTool } from '../support/tool.ts';
import { checkExpression, families } from './families.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const CONFIG = path('../../deploy/prometheus.yml');
const ALERTS = path('../../deploy/alerts.yml');
const CASES = path('alerts.test.yml');

type Rule = { alert: string; expr: string; labels: { severity: string }; annotations: { summary: string } };
const rules: Rule[] = parse(readFileSync(ALERTS, 'utf8')).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
);

const promtool = (...args: string[]) => run([requireTool('promtool', 'prometheus'), ...args]);

test('Prometheus takes the scrape configuration and the alerts', async () => {
  const config = await promtool('check', 'config', CONFIG);
  assert.equal(config.code, 0, config.output);
  const alerts = await promtool('check', 'rules', ALERTS);
  assert.equal(alerts.code, 0, alerts.output);
  assert.match(alerts.output, new RegExp(`${rules.length} rules found`));
});

test('each alert fires where it should and nowhere else', async () => {
  const { code, output } = await promtool('test', 'rules', CASES);
  assert.equal(code, 0, output);
  const tested = parse(readFileSync(CASES, 'utf8')).tests.flatMap(
    (group: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }) => group.alert_rule_test,
  );
  const fired = tested.filter(({ exp_alerts }: { exp_alerts: unknown[] }) => exp_alerts.length > 0);
  assert.deepEqual(
    fired.map(({ alertname }: { alertname: string }) => alertname),
    rules.map(({ alert }) => alert),
  );
});

test('the alerts look at metrics, labels and values that the proxy exposes', async () => {
  const known = await families();
  for (const { alert, expr, labels, annotations } of rules) {
    assert.match(alert, /^TeapopProxy[A-Z]/);
    assert.match(labels.severity, /^(critical|warning)$/);
    assert.ok(annotations.summary.length > 0);
    const names = checkExpression(expr, known);
    assert.ok(names.length > 0 || expr.startsWith('up{'), expr);
  }
});

test('alerts and dashboard expect the job by the name that the configuration gives it', () => {
  const [{ job_name }] = parse(readFileSync(CONFIG, 'utf8')).scrape_configs;
  const named = rules.flatMap(({ expr }) => [...expr.matchAll(/job="([^"]*)"/g)].map(([, job]) => job));
  assert.ok(named.length > 0);
  assert.deepEqual([...new Set(named)], [job_name]);
});

test('what the proxy exposes is without fault to Prometheus', async () => {
  const { createMetrics } = await import('../../src/ops/metrics.ts');
  const metrics = createMetrics({
    listeners: ['pop3'],
    upstreams: ['mailstore'],
    servers: [{ upstream: 'mailstore', server: 'm1' }],
    version: '0.0.0',
    states: {
      tables: () => ({ ageSeconds: null, domains: 1, users: 1, usable: true }),
      redisUp: () => null,
      verifier: () => ({ running: 0, memory: 0, waiting: { known: 0, familiar: 0, clean: 0, doubtful: 0 } }),
      logLinesDropped: () => 0,
    },
  });
  metrics.upstreamConnect('mailstore', 0.1);
  metrics.login('accepted', 'none');
  const input = Buffer.from(await metrics.text(), 'utf8').toString('latin1');
  const { code, output } = await run([requireTool('promtool', 'prometheus'), 'check', 'metrics'], { input });
  assert.equal(code, 0, output);
  assert.equal(output.trim(), '');
});
