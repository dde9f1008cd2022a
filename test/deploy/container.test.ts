import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const containerfile = readFileSync(new URL('deploy/Containerfile', ROOT), 'utf8').replaceAll(/\\\n/g, ' ');
const unit = readFileSync(new URL('deploy/teapop-proxy.service', ROOT), 'utf8');

/** The words behind an instruction, one list for each time it stands. */
function instructions(name: string): string[][] {
  return [...containerfile.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map(([, rest = '']) =>
    rest.trim().split(/\s+/),
  );
}

test('everything that the image copies from the project is there', () => {
  const copied = instructions('COPY')
    .filter(([first]) => !first?.startsWith('--from='))
    .flatMap((words) => words.slice(0, -1));
  assert.ok(copied.includes('src') && copied.includes('bin') && copied.includes('package-lock.json'));
  for (const name of copied) assert.ok(existsSync(new URL(name, ROOT)), `${name} is not there`);
});

test('image and service run the same command', () => {
  const [entry, command] = ['ENTRYPOINT', 'CMD'].map((name) => JSON.parse(instructions(name)[0]!.join(' ')));
  assert.equal(/^ExecStart=(.*)$/m.exec(unit)?.[1], [...entry, ...command].join(' '));
});

test('the image does not run as root', () => {
  assert.deepEqual(instructions('USER'), [['teapop-proxy']]);
});
