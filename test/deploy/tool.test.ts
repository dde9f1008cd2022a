import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { test } from 'node:test';
import { requireTool } from '../support/tool.ts';

test('a tool that is there is found with its path', () => {
  const path = requireTool('sh', 'dash');
  assert.match(path, /\/sh$/);
  accessSync(path, constants.X_OK);
});

test('a tool that is missing fails the test and names its package', () => {
  assert.throws(() => requireTool('no-such-program', 'no-such-package'), {
    message: 'no-such-program is missing: install the Debian package no-such-package',
  });
});
