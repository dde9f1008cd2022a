import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readReport } from '../../scripts/test-report.ts';

const BUN = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="0" failures="1" skipped="2" time="0.02">
  <testsuite name="a.test.ts" file="a.test.ts" tests="5" assertions="0" failures="1" skipped="2" time="0.019" hostname="h">
    <testcase name="ok &amp; &lt;fine&gt;" classname="" time="0.000877" file="a.test.ts" line="3" assertions="0" />
    <testcase name="bad &quot;one&quot;" classname="" time="0.001011" file="a.test.ts" line="4" assertions="0">
      <failure type="AssertionError" message="1 !== 2&#10;">AssertionError: 1 !== 2&#10; &lt;testcase name="no" /&gt;</failure>
    </testcase>
    <testcase name="later" classname="" time="0" file="a.test.ts" line="5" assertions="0">
      <skipped />
    </testcase>
    <testcase name="some day" classname="" time="0" file="a.test.ts" line="6" assertions="0">
      <skipped message="some day" />
    </testcase>
    <testsuite name="group" file="a.test.ts" line="9" tests="1" assertions="0" failures="0" skipped="0" time="0" hostname="h">
      <testcase name="in" classname="group" time="0.000045" file="a.test.ts" line="9" assertions="0" />
    </testsuite>
  </testsuite>
</testsuites>
`;

const NODE = `<?xml version="1.0" encoding="utf-8"?>
<testsuites>
	<testcase name="ok &amp; &lt;fine>" time="0.001173" classname="test" file="/somewhere/test/a.test.ts"/>
	<testcase name="bad" time="0.000832" classname="test" file="/somewhere/test/a.test.ts" failure="1 !== 2&#10;">
		<failure type="testCodeFailure" message="1 !== 2">
[Error [ERR_TEST_FAILURE]: 1 !== 2] { at TestContext.&lt;anonymous> }
		</failure>
	</testcase>
	<testcase name="later" time="0.000194" classname="test" file="/somewhere/test/a.test.ts">
		<skipped type="skipped" message="true"/>
	</testcase>
	<testcase name="some day" time="0.000080" classname="test" file="/somewhere/test/a.test.ts">
		<skipped type="todo" message="true"/>
	</testcase>
	<testsuite name="group" time="0.001286" disabled="0" errors="0" tests="1" failures="0" skipped="0" hostname="h">
		<testcase name="in" time="0.000173" classname="group" file="/somewhere/test/a.test.ts"/>
	</testsuite>
	<testcase name="test/empty.test.ts" time="0.061208" classname="test" file="/somewhere/test/empty.test.ts"/>
	<!-- tests 6 -->
</testsuites>
`;

test("counts Bun's report", () => {
  assert.deepEqual(readReport(BUN), {
    passed: 2,
    failed: ['bad "one"'],
    skipped: ['later', 'some day'],
    empty: [],
    files: ['a.test.ts'],
  });
});

test("counts Node's report and tells a file without tests from a test", () => {
  assert.deepEqual(readReport(NODE), {
    passed: 2,
    failed: ['bad'],
    skipped: ['later', 'some day'],
    empty: ['test/empty.test.ts'],
    files: [],
  });
});

test('a file that broke as it was loaded is a failure', () => {
  const broken = NODE.replace(
    'empty.test.ts"/>',
    'empty.test.ts"><failure type="testCodeFailure"></failure></testcase>',
  );
  assert.deepEqual(readReport(broken)?.failed, ['bad', 'test/empty.test.ts']);
});

test('counts nothing from a report that was cut short', () => {
  for (let length = 0; length < NODE.trimEnd().length; length++) {
    assert.equal(readReport(NODE.slice(0, length)), null);
  }
});

test('counts nothing from a form that it does not know', () => {
  assert.equal(readReport(NODE.replace('<testcase name="in"', "<testcase name='in'")), null);
  assert.equal(readReport(''), null);
});
