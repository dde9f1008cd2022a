/** bin/teapop-proxy in houses of its own, in which the runtime does nothing but tell how it was called. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { stubHouse } from '../support/stub-house.ts';

describe('the program finds its house', () => {
  const house = stubHouse('bun', 'printf "%s " "$@"');
  after(() => house.remove());
  const called = (program: string, settings: Record<string, string> = {}) => {
    const env = { ...process.env, TEAPOP_PROXY_RUNTIME: '', ...settings };
    const { stdout } = spawnSync('/bin/sh', [program, 'help', 'me'], {
      cwd: house.path,
      env,
      encoding: 'latin1',
    });
    return stdout;
  };
  const itself = `${house.path}/src/main.ts help me `;

  test('by its path, whole or from where the caller is', () => {
    assert.equal(called(`${house.path}/bin/teapop-proxy`), itself);
    assert.equal(called('bin/teapop-proxy'), itself);
  });

  test('through symbolic links, of which one leads to the other', () => {
    symlinkSync('bin/teapop-proxy', `${house.path}/first`);
    symlinkSync(`${house.path}/first`, `${house.path}/bin/second`);
    assert.equal(called('bin/second'), itself);
  });

  test('where the shell has a CDPATH in which there is a folder of the same name', () => {
    assert.equal(called('bin/teapop-proxy', { CDPATH: '/usr' }), itself);
  });
});
