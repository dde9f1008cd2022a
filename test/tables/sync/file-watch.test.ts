import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { FileWatch } from '../../../src/tables/sync/file-watch.ts';
import { pause } from '../../support/ports.ts';
import { until } from '../../support/process.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temp.ts';

/** Far longer than an event takes. */
const QUIET = 100;

let folder: TemporaryFolder;
let watch: FileWatch;
let unwatched: string[];

beforeEach(() => {
  folder = temporaryFolder('watch');
  unwatched = [];
  watch = new FileWatch({
    onChange: () => {},
    onUnwatched: (count, detail) => void unwatched.push(`${count} ${detail}`),
  });
});
afterEach(() => {
  watch.close();
  folder.remove();
});

const at = (name: string) => `${folder.path}/${name}`;

/** Follows files as a sync does, and forgets that they are new. */
async function follow(...names: string[]): Promise<void> {
  await watch.follow(names.map(at));
  watch.forget(watch.changed);
}

/** Waits for a change of exactly these files, then forgets it. */
async function changed(what: string, ...names: string[]): Promise<void> {
  await until(what, () => names.every((name) => watch.changed.has(at(name))));
  assert.equal(watch.changed.size, names.length, what);
  await watch.refresh();
  watch.forget(watch.changed);
}

async function unchanged(what: string): Promise<void> {
  await pause(QUIET);
  assert.deepEqual([...watch.changed], [], what);
}

test('what is followed anew counts as changed', async () => {
  folder.file('a', '');
  await watch.follow([at('a'), at('b')]);
  assert.deepEqual([...watch.changed], [at('a'), at('b')]);
  watch.forget([at('a')]);
  await watch.follow([at('a'), at('c')]);
  assert.deepEqual([...watch.changed], [at('c')]);
});

test('a file that is written, replaced, removed or made is told; its neighbours are not', async () => {
  folder.file('a', 'one');
  folder.file('b', 'one');
  await follow('a', 'b', 'c');
  appendFileSync(at('a'), 'two');
  await changed('append', 'a');
  writeFileSync(at('.a.tmp'), 'three');
  await unchanged('a file that nobody follows');
  renameSync(at('.a.tmp'), at('a'));
  await changed('rename over', 'a');
  appendFileSync(at('a'), 'four');
  await changed('append to what was renamed over', 'a');
  // As vi does it.
  renameSync(at('a'), at('a~'));
  writeFileSync(at('a'), 'five');
  unlinkSync(at('a~'));
  await changed('a new file in place of a moved one', 'a');
  unlinkSync(at('a'));
  await changed('unlink', 'a');
  writeFileSync(at('c'), 'new');
  await changed('create', 'c');
});

test('a folder that is moved away, removed and made again is followed on', async () => {
  folder.file('mail/a', 'one');
  folder.file('top', 'one');
  await follow('mail/a', 'top');
  const all = ['mail/a', 'top'];
  renameSync(at('mail'), at('mail.old'));
  await changed('the folder is moved', ...all);
  writeFileSync(at('mail.old/a'), 'two');
  await unchanged('what is written to where the folder went');
  folder.file('mail/a', 'three');
  await changed('the folder is back', 'mail/a');
  writeFileSync(at('mail/a'), 'four');
  await changed('a file in the new folder', 'mail/a');
  rmSync(at('mail'), { recursive: true });
  await changed('the folder is removed', ...all);
  mkdirSync(at('mail'));
  await changed('an empty folder', 'mail/a');
  writeFileSync(at('mail/a'), 'five');
  await changed('and its file', 'mail/a');
});

test('a path none of whose folders exists is found when they do', async () => {
  await follow('x/y/z/a');
  folder.file('x/y/z/a', 'one');
  await until('the folders', () => watch.changed.has(at('x/y/z/a')));
  await watch.refresh();
  await pause(QUIET);
  watch.forget(watch.changed);
  appendFileSync(at('x/y/z/a'), 'two');
  await changed('the file', 'x/y/z/a');
});

test('links are followed to where they lead now', async () => {
  folder.file('v1/a', 'one');
  folder.file('v2/a', 'two');
  symlinkSync('v1', at('current'));
  symlinkSync('current/a', at('a'));
  await follow('a');
  writeFileSync(at('v1/a'), 'one more');
  await changed('the file behind two links', 'a');
  writeFileSync(at('v2/a'), 'two more');
  await unchanged('the file that no link leads to');
  // As a config map or `ln -sfn` in one step has it.
  symlinkSync('v2', at('current.new'));
  renameSync(at('current.new'), at('current'));
  await changed('the link to the folder', 'a');
  writeFileSync(at('v2/a'), 'three');
  await changed('the file there', 'a');
  writeFileSync(at('v1/a'), 'four');
  await unchanged('the file behind the former link');
});

test('one file under two names is told under both', async () => {
  folder.file('a', 'one');
  symlinkSync('a', at('b'));
  await follow('a', 'b');
  appendFileSync(at('a'), 'two');
  await changed('the file', 'a', 'b');
});

test('paths are octets', async () => {
  const name = 'caf\xe9/\xff';
  mkdirSync(Buffer.from(at('caf\xe9'), 'latin1'));
  writeFileSync(Buffer.from(at(name), 'latin1'), 'one');
  await follow(name);
  writeFileSync(Buffer.from(at(name), 'latin1'), 'two');
  await changed('the file', name);
});

test('what is followed no more is not told, and its folder is let go', async () => {
  folder.file('one/a', '');
  folder.file('two/b', '');
  await follow('one/a', 'two/b');
  const { directories } = watch;
  await follow('two/b');
  assert.equal(watch.directories, directories - 1);
  appendFileSync(at('one/a'), 'x');
  await unchanged('a file that is followed no more');
});

test('hundreds of files in hundreds of folders', async () => {
  const names = Array.from({ length: 500 }, (_, i) => `d${i}/f`);
  for (const name of names) folder.file(name, '');
  await follow(...names);
  assert.ok(watch.directories > names.length);
  assert.deepEqual(unwatched, []);
  for (const name of names) writeFileSync(at(name), 'x');
  await until('all of them', () => watch.changed.size === names.length);
});
