import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, beforeEach, test } from 'node:test';
import { TrailReader } from '../../../src/tables/sync/path-trail.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/temp.ts';

let folder: TemporaryFolder;
const folders: TemporaryFolder[] = [];
beforeEach(() => {
  folder = temporaryFolder('trail');
  folders.push(folder);
});
after(() => {
  for (const each of folders) each.remove();
});

/** The steps from the test's folder on, as `directory name`. */
async function trail(path: string): Promise<string[]> {
  const steps = await new TrailReader().read(path);
  const shown = steps.map(({ directory, name }) => `${directory} ${name}`);
  return shown
    .filter((step) => step.startsWith(folder.path))
    .map((step) => step.slice(folder.path.length).replace(/^\//, './').replace(/^ /, '. '));
}

test('a file is what its directories lead to', async () => {
  folder.file('a/b/users', '');
  assert.deepEqual(await trail(`${folder.path}/a/b/users`), ['. a', './a b', './a/b users']);
  const [first] = await new TrailReader().read(`${folder.path}/a/b/users`);
  assert.deepEqual([first!.directory, first!.name], ['/', folder.path.split('/')[1]!]);
  assert.deepEqual(await trail(`${folder.path}//a/./b/../b/users`), ['. a', './a b', './a b', './a/b users']);
});

test('the trail ends where something is missing or in the way', async () => {
  folder.file('a/file', '');
  assert.deepEqual(await trail(`${folder.path}/a/b/c/users`), ['. a', './a b']);
  assert.deepEqual(await trail(`${folder.path}/a/file/users`), ['. a', './a file']);
});

test('links are followed, relative, absolute, to directories and in a row', async () => {
  folder.file('real/v1/users', '');
  symlinkSync('v1', `${folder.path}/real/current`);
  symlinkSync(`${folder.path}/real/current`, `${folder.path}/mail`);
  symlinkSync('mail/users', `${folder.path}/users`);
  assert.deepEqual(await trail(`${folder.path}/users`), [
    '. users',
    '. mail',
    ...['. real', './real current', './real v1', './real/v1 users'],
  ]);
});

test('links in a circle end', async () => {
  symlinkSync('two', `${folder.path}/one`);
  symlinkSync('one', `${folder.path}/two`);
  assert.ok((await trail(`${folder.path}/one`)).length > 10);
});

test('names are octets', async () => {
  const name = '\xff\xe9';
  mkdirSync(Buffer.from(`${folder.path}/${name}`, 'latin1'));
  writeFileSync(Buffer.from(`${folder.path}/${name}/\x80`, 'latin1'), '');
  assert.deepEqual(await trail(`${folder.path}/${name}/\x80`), [`. ${name}`, `./${name} \x80`]);
});
