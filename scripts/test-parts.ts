/** What `npm test` runs: the checks, and the tests' files dealt out to runs that do not know each other. */
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BIN = join(ROOT, 'node_modules', '.bin');

/** About what Node does not have: its runs leave it out. */
const BUN_ONLY = 'test/**/bun/*.test.ts';
/**
 * Rooms whose files start nothing as they are loaded and have no hooks outside of a group: one process of Node's takes
 * all of them, which is a tenth of the work of a process for each.
 */
const TOGETHER_ON_NODE = ['pop3', 'pool', 'config', 'auth', 'tables/teapop'].map(
  (room) => `test/${room}/*.test.ts`,
);

/** What takes long begins first, so that nothing long is alone at the end. In seconds, roughly. */
const LONG: Record<string, number> = {
  'test/system/tls-scanners.test.ts': 90,
  'test/system/workers.test.ts': 40,
  'test/system/redis-sentinel.test.ts': 30,
  'test/system/upstream-pools.test.ts': 30,
  'test/system/mechanisms.test.ts': 25,
  'test/system/passwd-entries.test.ts': 25,
  'test/system/signals.test.ts': 25,
  'test/system/memory.test.ts': 20,
  'test/system/flood.test.ts': 20,
  'test/system/lookup.test.ts': 20,
  'test/system/known-bugs.test.ts': 20,
  'test/system/outage-near.test.ts': 20,
  'test/transport/node.test.ts': 20,
  'test/proxy/pools.test.ts': 20,
  'test/transport/bun/sockets.test.ts': 15,
  'test/system/sync-watch.test.ts': 15,
  'test/system/sync.test.ts': 15,
  'test/system/redis-cluster.test.ts': 15,
  'test/system/tls-reload.test.ts': 15,
  'test/proxy/failures-page.test.ts': 12,
  'test/tables/sync/sync-loop.test.ts': 12,
  'test/tables/sql/postgres.test.ts': 12,
  'test/tables/sql/mysql.test.ts': 10,
};
/** Files in one run: so few that the last runs end at about the same time. */
const FILES_OF_A_RUN = 12;

/** For one test, in milliseconds: far above what one takes, so that a busy machine fails none. */
const UNIT_TEST_DEADLINE = 90_000;
const SYSTEM_TEST_DEADLINE = 120_000;

export type Part = { name: string; runs: Run[] };

export type Run = {
  command: readonly [string, ...string[]];
  /** About how long it takes, in seconds. */
  length: number;
  /** A run without is a check. */
  tests?: {
    files: readonly string[];
    /** Where the runner writes what became of each test. */
    report: string;
    /** Where it writes, line by line, which files it saw; null where the report tells. */
    seen: string | null;
  };
};

/** @param folder for reports */
export function testParts(folder: string): Part[] {
  const system = testFiles('test/system/**/*.test.ts');
  const unit = testFiles('test/**/*.test.ts').filter((file) => !system.includes(file));
  const bunOnly = testFiles(BUN_ONLY);
  const gone = Object.keys(LONG).filter((file) => ![...system, ...unit].includes(file));
  if (gone.length > 0) throw new Error(`${gone.join(', ')}: named as long, but not there`);
  const together = testFiles(...TOGETHER_ON_NODE);
  for (const files of [system, unit, bunOnly, together])
    if (files.length === 0) throw new Error('a part has no test files');
  const forNode = unit.filter((file) => !bunOnly.includes(file) && !together.includes(file));
  const report = reportsIn(folder);
  return [
    {
      name: 'system tests on Bun',
      runs: system.map((file) => bunRun([file], SYSTEM_TEST_DEADLINE, report())),
    },
    {
      name: 'unit tests on Node',
      runs: [
        nodeRun(together, ['--test-isolation=none'], report()),
        ...dealt(forNode).map((files) => nodeRun(files, ['--test-concurrency=1'], report())),
      ],
    },
    {
      name: 'unit tests on Bun',
      runs: dealt(unit).map((files) => bunRun(files, UNIT_TEST_DEADLINE, report())),
    },
    { name: 'types', runs: [{ command: [join(BIN, 'tsc')], length: 10 }] },
    {
      name: 'lint and format',
      runs: [{ command: [join(BIN, 'biome'), 'check', '--error-on-warnings', '.'], length: 5 }],
    },
  ];
}

function testFiles(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: ROOT }).sort();
}

function reportsIn(folder: string): () => string {
  let count = 0;
  return () => join(folder, `${count++}.xml`);
}

/** Dealt out like cards: neighbours, which are of a kind, come into different runs. */
function dealt(files: readonly string[]): string[][] {
  const runs = Math.ceil(files.length / FILES_OF_A_RUN);
  return Array.from({ length: runs }, (_, run) => files.filter((_, index) => index % runs === run));
}

function bunRun(files: readonly string[], timeout: number, report: string): Run {
  const written = ['--reporter=junit', `--reporter-outfile=${report}`];
  const options = ['test', '--only-failures', `--timeout=${timeout}`, ...written];
  // Without "./" Bun takes a name as a pattern.
  const command = [join(BIN, 'bun'), ...options, ...files.map((file) => `./${file}`)] as const;
  return { command, length: lengthOf(files), tests: { files, report, seen: null } };
}

function nodeRun(files: readonly string[], options: readonly string[], report: string): Run {
  const seen = `${report}.files`;
  const reporters = [
    ...['--test-reporter=dot', '--test-reporter-destination=stdout'],
    ...['--test-reporter=junit', `--test-reporter-destination=${report}`],
    ...[`--test-reporter=./scripts/test-files-reporter.ts`, `--test-reporter-destination=${seen}`],
  ];
  const command = [
    join(BIN, 'node'),
    '--test',
    `--test-timeout=${UNIT_TEST_DEADLINE}`,
    ...options,
    ...reporters,
    ...files,
  ] as const;
  return { command, length: lengthOf(files), tests: { files, report, seen } };
}

function lengthOf(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + (LONG[file] ?? 1), 0);
}
