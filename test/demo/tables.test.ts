/** The tables in deploy/demo, read as the proxy reads them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DEMO_LOCAL_USER, DEMO_LOGIN, DEMO_MESSAGES, DEMO_PASSWORD } from '../../src/demo/messages.ts';
import { FileStore } from '../../src/tables/sources/file-store.ts';
import { DEFAULT_LOCAL_USER_RULE, localUser } from '../../src/tables/teapop/local-user.ts';
import { DEFAULT_DIVIDERS, lookup } from '../../src/tables/teapop/lookup.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const started = process.cwd();

// The domain table names the password file from the project's folder.
before(() => process.chdir(ROOT));
after(() => process.chdir(started));

test('the demo login leads to its local user, and nothing in the tables is at fault', async () => {
  const domainTable = 'deploy/demo/teapop.passwd';
  const store = await FileStore.open({ domainTable, resolveNames: false, accounts: 'any' });
  assert.deepEqual(store.diagnostics, []);
  const found = await lookup(store, DEMO_LOGIN, '127.0.0.1', DEFAULT_DIVIDERS);
  assert.ok(found.result === 'rows');
  const [row] = found.rows;
  assert.equal(found.rows.length, 1);
  assert.ok(row!.secret.endsWith(DEMO_PASSWORD));
  const { userid, domain } = found.login;
  const facts = { type: found.entry.type, userid, domain, mailbox: row!.mailbox, uid: found.entry.uid };
  assert.equal(localUser(DEFAULT_LOCAL_USER_RULE, facts), DEMO_LOCAL_USER);
});

test('the letters name the files and the login as they are', () => {
  const letters = DEMO_MESSAGES.join('');
  for (const name of ['deploy/demo/teapop.passwd', 'deploy/demo/acme.com.passwd']) {
    assert.ok(letters.includes(name) && existsSync(join(ROOT, name)));
  }
  assert.ok(letters.includes(`${DEMO_LOGIN}:${DEMO_PASSWORD}`));
});

test('the letters are messages that any client takes', () => {
  for (const message of DEMO_MESSAGES) {
    assert.match(message, /^From: [^\r]+\r\nTo: /);
    assert.doesNotMatch(message.replaceAll('\r\n', ''), /[\r\n\x80-\xff]/);
    assert.ok(message.endsWith('\r\n') && !message.endsWith('\r\n\r\n'));
    assert.ok(message.split('\r\n').every((line) => line.length <= 90));
  }
});
