/** Passwords are hashed once, and a change of the tables ends at once what was remembered. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { total } from '../support/exposition.ts';
import { until } from '../support/process.ts';
import { crypted, JOHN, OTTO, type RunningSite, startSite } from '../support/running-site.ts';
import { loginReply } from '../support/site-clients.ts';

const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';

let site: RunningSite;

before(async () => {
  // Without a delay, so that a refusal takes what it costs.
  site = await startSite({ config: () => ({ limits: { failure_delay: '0s' } }) });
});
after(() => site.stop());

/** Hashes computed so far, and those spared by what was remembered. */
async function counts() {
  const { body } = await site.admin('/metrics');
  const hits = (result: string) => total(body, 'teapop_proxy_login_cache_hits_total', { result });
  return {
    hashed: total(body, 'teapop_proxy_login_cache_misses_total'),
    checked: total(body, 'teapop_proxy_verify_seconds_count'),
    accepted: hits('accepted'),
    rejected: hits('rejected'),
  };
}

/** What a login is answered, and what it added to the counts. */
async function login(who: { login: string; password: string }) {
  const before = await counts();
  const reply = await loginReply(site, who);
  const after = await counts();
  assert.equal(after.checked - before.checked, after.hashed - before.hashed);
  return [
    reply,
    { hashed: after.hashed - before.hashed },
    { known: after.accepted + after.rejected - before.accepted - before.rejected },
  ];
}

const HASHED = [{ hashed: 1 }, { known: 0 }];
const KNOWN = [{ hashed: 0 }, { known: 1 }];

test('the same login again, right or wrong, is not hashed', async () => {
  for (const who of [JOHN, OTTO]) {
    assert.deepEqual(await login(who), [LET_IN, ...HASHED]);
    for (let i = 0; i < 3; i++) assert.deepEqual(await login(who), [LET_IN, ...KNOWN]);
    const wrong = { ...who, password: 'last-years' };
    assert.deepEqual(await login(wrong), [REFUSED, ...HASHED]);
    for (let i = 0; i < 3; i++) assert.deepEqual(await login(wrong), [REFUSED, ...KNOWN]);
  }
  const stranger = { login: 'nobody@acme.com', password: 'x' };
  assert.deepEqual(await login(stranger), [REFUSED, ...HASHED]);
  assert.deepEqual(await login(stranger), [REFUSED, ...KNOWN]);
});

test('a published change ends the old password, and lets in by the new one that was wrong', async () => {
  const changed = { ...JOHN, password: 'n3w and right' };
  assert.deepEqual(await login(JOHN), [LET_IN, ...KNOWN]);
  assert.deepEqual(await login(changed), [REFUSED, ...HASHED]);
  assert.deepEqual(await login(changed), [REFUSED, ...KNOWN]);
  site.write('acme.com.passwd', `john:${changed.password}:/var/spool/mail/${JOHN.localUser}\n`);
  assert.equal((await site.sync()).code, 0);
  await until('the old one is refused', async () => (await loginReply(site, JOHN)) === REFUSED);
  assert.equal((await login(changed))[0], LET_IN);
  assert.deepEqual(await login(changed), [LET_IN, ...KNOWN]);
});

test('with the tables in files a reload ends it as well', async () => {
  const inFiles = await startSite({ source: 'files' });
  try {
    const changed = { ...OTTO, password: JOHN.password };
    assert.equal(await loginReply(inFiles, OTTO), LET_IN);
    inFiles.write('example.org.htpasswd', `otto:${crypted(changed.password)}\n`);
    assert.equal(await loginReply(inFiles, OTTO), LET_IN, 'not before the signal');
    inFiles.proxy.kill('SIGHUP');
    await inFiles.proxy.logged('reloaded', { part: 'tables' });
    assert.equal(await loginReply(inFiles, OTTO), REFUSED);
    assert.equal(await loginReply(inFiles, changed), LET_IN);
  } finally {
    await inFiles.stop();
  }
});

test('without it each login is hashed', async () => {
  const off = await startSite({ source: 'files', config: () => ({ passwords: { cache: 'off' } }) });
  try {
    for (let i = 0; i < 3; i++) assert.equal(await loginReply(off, OTTO), LET_IN);
    const { body } = await off.admin('/metrics');
    assert.equal(total(body, 'teapop_proxy_verify_seconds_count'), 3);
    assert.equal(total(body, 'teapop_proxy_login_cache_entries'), 0);
  } finally {
    await off.stop();
  }
});
