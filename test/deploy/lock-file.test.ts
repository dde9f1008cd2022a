import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

type LockedPackage = { optionalDependencies?: Record<string, string>; resolved?: string };

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Record<string, LockedPackage>;
};

test('the lock file names every optional package, of other platforms too: npm ci stops where one is missing', () => {
  const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        !(`node_modules/${name}` in lock.packages) && !(`${path}/node_modules/${name}` in lock.packages),
    ),
  );
  assert.deepEqual(missing, []);
});

test('the lock file names no registry', () => {
  const resolved = Object.values(lock.packages).filter(({ resolved }) => resolved?.startsWith('http'));
  assert.deepEqual(resolved, []);
});
