import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run } from '../support/process.ts';
import { temporaryFolder } from '../support/temp.ts';
import { requireTool } from '../support/tool.ts';
import { checkExpression, families } from './families.ts';

type Target = { expr: string; datasource: { uid: string } };
type Panel = {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: Target[];
};
type Variable = { name: string; type: string; definition?: string };

/** Grafana's way to write a variable. */
const DATASOURCE = '$' + '{datasource}';
const FILE = new URL('../../grafana/teapop-proxy.json', import.meta.url);
const dashboard = JSON.parse(readFileSync(FILE, 'utf8'));
const panels: Panel[] = dashboard.panels;
const variables: Variable[] = dashboard.templating.list;
const shown = panels.filter((panel) => panel.type !== 'row');
const expressions = shown.flatMap((panel) => panel.targets!.map((target) => target.expr));

test('every metric, label and label value that the dashboard asks for exists', async () => {
  const known = await families();
  for (const expression of expressions) {
    assert.ok(checkExpression(expression, known).length > 0 || expression.includes('up{'), expression);
  }
});

test('every metric is on the dashboard', async () => {
  const known = await families();
  const used = new Set(expressions.flatMap((expression) => checkExpression(expression, known)));
  assert.deepEqual(
    [...known.keys()].filter((name) => !used.has(name)),
    [],
  );
});

test('every expression is PromQL', { timeout: 20_000 }, async () => {
  const promtool = requireTool('promtool', 'prometheus');
  const rules = expressions.map((expression, index) => ({
    record: `dashboard:expression:${index}`,
    expr: expression
      .replaceAll('$__rate_interval', '1m')
      .replaceAll('$instance', '.*')
      .replaceAll('$job', 'teapop-proxy'),
  }));
  assert.ok(!rules.some(({ expr }) => expr.includes('$')), 'a variable that the dashboard does not define');
  const folder = temporaryFolder('grafana');
  try {
    // JSON is YAML.
    const file = folder.file('rules.yml', JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    const { code, output } = await run([promtool, 'check', 'rules', file]);
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`${rules.length} rules found`));
    const broken = folder.file(
      'broken.yml',
      JSON.stringify({ groups: [{ name: 'x', rules: [{ record: 'x', expr: 'sum(' }] }] }),
    );
    assert.notEqual((await run([promtool, 'check', 'rules', broken])).code, 0);
  } finally {
    folder.remove();
  }
});

test('every panel takes its data from the variable and looks at the chosen instances', () => {
  assert.deepEqual(
    variables.map(({ name, type }) => [name, type]),
    [
      ['datasource', 'datasource'],
      ['job', 'query'],
      ['instance', 'query'],
    ],
  );
  for (const panel of shown) {
    for (const source of [panel, ...panel.targets!]) assert.equal(source.datasource?.uid, DATASOURCE);
    for (const { expr } of panel.targets!) {
      const selectors = expr.match(/\{[^}]*\}/g) ?? [];
      assert.ok(selectors.length > 0, expr);
      for (const selector of selectors) assert.match(selector, /job=~"\$job", instance=~"\$instance"\}$/);
    }
  }
});

test('the panels have ids of their own and do not cover one another', () => {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x + w <= 24, title);
    for (let row = y; row < y + h; row += 1)
      for (let column = x; column < x + w; column += 1) {
        const cell = `${row}:${column}`;
        assert.equal(taken.get(cell), undefined, `${title} covers ${taken.get(cell)}`);
        taken.set(cell, title);
      }
  }
});
