/** Reads the JUnit reports that `bun test` and `node --test` write. Pure. */

export type TestReport = {
  passed: number;
  /** Names of failed tests. */
  failed: string[];
  /** Names of tests that were skipped or marked as yet to do: the project has none. */
  skipped: string[];
  /** Files that ran and held no test: Node reports such a file as one passed test. */
  empty: string[];
  /** Files that hold a test, in Bun's report alone: Node names where a test is written, and not what was run. */
  files: string[];
};

/** An element with its attributes, in which Node leaves '>' as it is, and its content where it has one. */
const TEST_CASE = /<testcase((?:\s+[\w:-]+="[^"]*")*)\s*(?:\/>|>(.*?)<\/testcase>)/gs;
const TEST_SUITE = /<testsuite(?:\s+[\w:-]+="[^"]*")*>/g;
const NAME = /\sname="([^"]*)"/;
const FILE = /\sfile="([^"]*)"/;

/**
 * Counts the test cases of a report. Null where it is not whole: the runner was killed before it wrote the end, or
 * writes another form than the one known here. A count that cannot be relied upon is none.
 */
export function readReport(xml: string): TestReport | null {
  if (!xml.trimEnd().endsWith('</testsuites>')) return null;
  const cases = [...xml.matchAll(TEST_CASE)];
  if (cases.length !== xml.split('<testcase').length - 1) return null;
  const report: TestReport = { passed: 0, failed: [], skipped: [], empty: [], files: filesOf(xml) };
  for (const [, attributes = '', content = ''] of cases) {
    const name = unescaped(NAME.exec(attributes)?.[1] ?? '');
    const file = unescaped(FILE.exec(attributes)?.[1] ?? '');
    // A test's own failure is an element; its text is escaped and cannot look like one.
    if (/<(failure|error)\b/.test(content)) report.failed.push(name);
    else if (content.includes('<skipped')) report.skipped.push(name);
    else if (name !== '' && file.endsWith(`/${name}`)) report.empty.push(name);
    else report.passed++;
  }
  return report;
}

function filesOf(xml: string): string[] {
  const files = [...xml.matchAll(TEST_SUITE)].map(([suite]) => unescaped(FILE.exec(suite)?.[1] ?? ''));
  return [...new Set(files)].filter((file) => file !== '');
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
