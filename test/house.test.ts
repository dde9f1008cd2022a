/** The rooms and rules of docs/contributing.md, kept by the sources; and that breaking a rule is seen. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  allImports,
  circles,
  importedAtOnce,
  importersOf,
  impurities,
  pureRoomsOf,
  readSources,
  roomCircles,
  roomsOf,
  type Sources,
  wrongArrows,
  wrongInnerArrows,
} from './support/house.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MOST_LINES = 300;

/** One file alone knows the package, so that it can be replaced there. */
const IMPORTED_ONCE = ['ioredis', 'argon2', 'prom-client', 'net-keepalive', 'pg', 'mysql2'];
/** Few sites have a use for these packages: they are loaded with the first table that needs one. */
const LOADED_LATE = ['pg', 'mysql2'];
/** Calls into C: one file for passwords, one for sockets, whose rooms do not know each other. */
const FOREIGN_CALLS = 'ffi-rs';

const contributing = readFileSync(join(ROOT, 'docs', 'contributing.md'), 'utf8');
const rooms = roomsOf(contributing);
/** Rooms so large that they have rooms of their own. */
const DIVIDED = ['tables'];
const pureRooms = pureRoomsOf(contributing, ['', ...DIVIDED]);
const sources = readSources(ROOT);
const imports = allImports(sources);

describe('the house', () => {
  test('has the rooms that the table names, and no other', () => {
    const folders = new Set(
      [...sources.keys()].filter((path) => path.includes('/')).map((path) => path.split('/')[0]!),
    );
    assert.deepEqual([...folders].sort(), [...rooms.keys()].sort());
    assert.deepEqual(pureRooms, ['pool', 'pop3', 'tables/teapop']);
  });

  test('has no import against the order of its rooms', () => {
    assert.deepEqual(wrongArrows(imports, rooms), []);
  });

  test('has no circle of imports', () => {
    assert.deepEqual(circles(imports), []);
  });

  for (const within of DIVIDED) {
    const inner = roomsOf(contributing, within);

    test(`has in ${within}/ the rooms that its table names, and nothing beside them`, () => {
      const places = new Set(
        [...sources.keys()].filter((path) => path.startsWith(`${within}/`)).map((path) => dirname(path)),
      );
      assert.deepEqual([...places].sort(), [...inner.keys()].sort());
    });

    test(`has no import against the order of the rooms of ${within}/, and no circle of them`, () => {
      assert.deepEqual(wrongInnerArrows(imports, within, inner), []);
      assert.deepEqual(roomCircles(imports, within), []);
    });
  }

  for (const room of pureRooms) {
    test(`keeps ${room}/ free of node:, packages, clocks, randomness and logs`, () => {
      const files = [...sources.keys()].filter((path) => path.startsWith(`${room}/`));
      assert.ok(files.length > 0);
      assert.deepEqual(impurities(sources, files), []);
    });
  }

  for (const name of IMPORTED_ONCE) {
    test(`has at most one file that imports ${name}`, () => {
      const files = importersOf(imports, name);
      assert.ok(files.length <= 1, files.join(', '));
    });
  }

  for (const name of LOADED_LATE) {
    test(`loads ${name} when it is needed`, () => {
      const [file] = importersOf(imports, name);
      assert.ok(file !== undefined);
      assert.deepEqual(importedAtOnce(sources, file), []);
    });
  }

  test(`has at most one file in a room that imports ${FOREIGN_CALLS}`, () => {
    const importing = importersOf(imports, FOREIGN_CALLS).map((path) => path.split('/')[0]);
    assert.equal(new Set(importing).size, importing.length, importing.join(', '));
  });

  test(`has no file of more than ${MOST_LINES} lines`, () => {
    const long = [...sources].filter(([, text]) => text.trimEnd().split('\n').length > MOST_LINES);
    assert.deepEqual(
      long.map(([path]) => path),
      [],
    );
  });
});

/** A house of a few lines. */
function built(files: Record<string, string>): Sources {
  return new Map(Object.entries(files));
}

describe('a broken rule is seen', () => {
  test('an import against the order, of whatever form', () => {
    const forms = [
      "import { a } from '../proxy/a.ts';",
      "import {\n  a,\n  b,\n} from '../proxy/a.ts';",
      "import type { A } from '../proxy/a.ts';",
      "export { a } from '../proxy/a.ts';",
      "export * from '../proxy/a.ts';",
      "import '../proxy/a.ts';",
      "const a = await import('../proxy/a.ts');",
    ];
    for (const form of forms) {
      assert.deepEqual(
        wrongArrows(allImports(built({ 'tables/x.ts': form })), rooms),
        ['tables/x.ts → proxy/a.ts'],
        form,
      );
    }
  });

  test('an import of a leaf for more than its types, and of anything outside src/', () => {
    const files = built({
      'proxy/a.ts': "import { log } from '../ops/log.ts';",
      'proxy/b.ts': "import type { Log } from '../ops/log.ts';",
      'pop3/c.ts': "import type { Log } from '../ops/log.ts';",
      'main.ts': "import { serve } from './cli/serve.ts';\nimport { Server } from './server/server.ts';",
      'server/d.ts':
        "import p from '../../package.json' with { type: 'json' };\nimport t from '../../test/support/temp.ts';",
    });
    assert.deepEqual(wrongArrows(allImports(files), rooms), [
      'proxy/a.ts → ops/log.ts',
      'pop3/c.ts → ops/log.ts',
      'main.ts → server/server.ts',
      'server/d.ts → ../test/support/temp.ts',
    ]);
  });

  test('an import against the order within a room, in its types too, and from beside its rooms', () => {
    const inner = roomsOf(
      '| `src/tables/` | x | pop3 |\n| `src/tables/a/` | x | everything below |\n| `src/tables/b/` | x | c |\n| `src/tables/c/` | x | nothing |\n',
      'tables',
    );
    const files = built({
      'tables/a/x.ts': "import { b } from '../b/x.ts';\nimport { y } from './y.ts';",
      'tables/b/x.ts': "import { c } from '../c/x.ts';\nimport type { y } from '../a/y.ts';",
      'tables/c/x.ts': "import { b } from '../b/x.ts';\nimport { z } from '../../pop3/z.ts';",
      'tables/z.ts': "import { a } from './a/x.ts';",
    });
    assert.deepEqual(wrongInnerArrows(allImports(files), 'tables', inner), [
      'tables/b/x.ts → tables/a/y.ts',
      'tables/c/x.ts → tables/b/x.ts',
      'tables/z.ts → tables/a/x.ts',
    ]);
    assert.deepEqual(roomCircles(allImports(files), 'tables').sort(), [
      'tables/a → tables/b → tables/a',
      'tables/b → tables/c → tables/b',
    ]);
  });

  test('but not what only a comment says', () => {
    const files = built({
      'pop3/a.ts': "// import { x } from '../proxy/x.ts';\n/* import('../proxy/y.ts') */\n",
    });
    assert.deepEqual(allImports(files), []);
  });

  test('a circle, however long, once', () => {
    const files = built({
      'pop3/start.ts': "import { a } from './a.ts';",
      'pop3/b.ts': "import { c } from './c.ts';",
      'pop3/c.ts': "import { a } from './a.ts';\nimport { d } from './d.ts';",
      'pop3/a.ts': "import { b } from './b.ts';",
      'pop3/d.ts': "import type { a } from './a.ts';",
    });
    assert.deepEqual(circles(allImports(files)), ['pop3/a.ts → pop3/b.ts → pop3/c.ts → pop3/a.ts']);
  });

  test('a clock, randomness, a node: module, also behind another file', () => {
    const files = built({
      'pop3/a.ts': "import { b } from './b.ts';\nimport type { F } from './f.ts';",
      'pop3/b.ts': 'export const b = () => Date.now();',
      'pop3/c.ts': "import { readFileSync } from 'node:fs';",
      'pop3/d.ts': 'export const d = Math.random();',
      'pop3/e.ts': '/** Date.now is not called here. */',
      'pop3/f.ts': "import { connect } from 'node:net';",
    });
    assert.deepEqual(
      impurities(files, ['pop3/a.ts', 'pop3/c.ts', 'pop3/d.ts', 'pop3/e.ts', 'pop3/gone.ts']).sort(),
      [
        'pop3/b.ts: Date.now',
        'pop3/c.ts: imports node:fs',
        'pop3/d.ts: Math.random',
        'pop3/gone.ts: is not there',
      ],
    );
  });

  test('a file that is loaded before it is needed', () => {
    const files = built({
      'tables/a.ts': "import { x } from './x.ts';",
      'tables/b.ts': "const { x } = await import('./x.ts');",
      'tables/c.ts': "import type { X } from './x.ts';",
      'tables/x.ts': "import pg from 'pg';",
    });
    assert.deepEqual(importedAtOnce(files, 'tables/x.ts'), ['tables/a.ts']);
  });

  test('a second importer of a package', () => {
    const files = built({
      'tables/a.ts': "import { Redis } from 'ioredis';",
      'ops/b.ts': "import type { Redis } from 'ioredis/built/x.js';",
      'ops/c.ts': "import x from 'ioredis-mock';",
    });
    assert.deepEqual(importersOf(allImports(files), 'ioredis'), ['tables/a.ts', 'ops/b.ts']);
  });
});
