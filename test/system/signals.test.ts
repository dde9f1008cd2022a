/** What SIGTERM and SIGHUP do to a proxy with sessions. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { connect, type PeerCertificate } from 'node:tls';
import { isListening } from '../support/ports.ts';
import { until } from '../support/process.ts';
import { ADDRESS, JANE, JOHN, type RunningSite, standardTables, startSite } from '../support/running-site.ts';
import { logIn, loginReply, openClient, openSession } from '../support/site-clients.ts';
import type { TestCertificate } from '../support/tls.ts';

const LET_IN = '+OK Logged in.';
const REFUSED = '-ERR [AUTH] Login failed';
/** In ms: how long sessions may finish. */
const GRACE = 6_000;
/** The most that leaving takes besides, on a busy machine too: less than the grace time, so that it can be told from it. */
const LEAVING = 5_000;

let site: RunningSite;

before(async () => {
  site = await startSite({
    source: 'files',
    config: ({ folder, certificates }) => ({
      tls: { certificates: [useCertificate(folder, certificates.ecdsa)] },
      shutdown: { grace: `${GRACE}ms` },
    }),
  });
  site.dovecot!.deliver(JOHN.localUser, 'Subject: one\r\n\r\none\r\n');
});
after(() => site.stop());

/** Puts it where the config looks. */
function useCertificate(folder: RunningSite['folder'], { certificate, key }: TestCertificate) {
  return { certificate: folder.file('mail.pem', certificate), key: folder.file('mail.key', key, 0o600) };
}

/** Ends the proxy by these signals; how long it took to leave, in ms. */
async function end(...signals: NodeJS.Signals[]): Promise<number> {
  const began = performance.now();
  for (const signal of signals) {
    site.proxy.kill(signal);
    await site.proxy.logged('signal', { signal });
  }
  const { code } = await site.proxy.exited;
  assert.equal(code, 0, site.proxy.output());
  return performance.now() - began;
}

describe('SIGTERM', () => {
  beforeEach(async () => {
    if (site.proxy.status() !== null) await site.restart();
  });

  test('sends away who has not logged in and lets a session finish', async () => {
    const session = await openSession(site, JOHN, 'pop3s');
    const waiting = await openClient(site, 'pop3');
    const port = site.proxy.port('plain');
    const ended = end('SIGTERM');
    assert.equal(await waiting.line(), '-ERR [SYS/TEMP] Shutting down, try again later');
    await waiting.gone();
    assert.equal(await isListening(port), false);
    assert.deepEqual(await site.admin('/readyz'), { status: 503, body: 'draining\n' });
    assert.equal((await site.admin('/livez')).status, 200);
    assert.match(await session.ask('RETR 1'), /^\+OK /);
    assert.deepEqual((await session.multiLine()).slice(-2), ['', 'one']);
    assert.match(await session.ask('QUIT'), /^\+OK /);
    await session.gone();
    assert.ok((await ended) < GRACE, 'it leaves when the last session has ended');
    assert.deepEqual(site.proxy.log().at(-1)?.event, 'stopped');
  });

  test('lets a login under way come out', async () => {
    const client = await openClient(site);
    client.send(`USER ${JOHN.login}\r\nPASS wrong\r\n`);
    await client.line();
    const ended = end('SIGTERM');
    assert.equal(await client.line(), REFUSED);
    client.destroy();
    await ended;
  });

  test('cuts off when the grace time is over', async () => {
    const session = await openSession(site, JOHN);
    const took = await end('SIGTERM');
    await session.gone();
    assert.ok(took >= GRACE && took < GRACE + LEAVING, `took ${took} ms`);
    const { end: reason } = await site.proxy.logged('session', { login: JOHN.login });
    assert.equal(reason, 'shutdown');
  });

  test('a second time does not wait, nor does a SIGINT behind it', async () => {
    for (const second of ['SIGTERM', 'SIGINT'] as const) {
      if (site.proxy.status() !== null) await site.restart();
      const session = await openSession(site, JOHN);
      const took = await end('SIGTERM', second);
      await session.gone();
      assert.ok(took < LEAVING, `${second}: took ${took} ms`);
    }
  });
});

describe('SIGHUP', () => {
  before(async () => {
    if (site.proxy.status() !== null) await site.restart();
  });

  /** The certificate that a new connection is shown. */
  function shown(): Promise<PeerCertificate> {
    return new Promise((resolve, reject) => {
      const port = site.proxy.port('pop3s');
      const socket = connect({ host: ADDRESS, port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate());
        socket.destroy();
      });
      socket.once('error', reject);
    });
  }

  /** Sends the signal; the events that came of it. */
  async function reload() {
    const before = site.proxy.log().length;
    site.proxy.kill('SIGHUP');
    const since = () => site.proxy.log().slice(before);
    await until('both parts', () => since().filter(({ part }) => part !== undefined).length === 2);
    // The mailstores are asked anew as well, and answer when they like.
    const others = ['session', 'signal', 'capabilities-known'];
    return since().filter(({ event }) => !others.includes(event));
  }

  const RELOADED = [
    ['reloaded', 'certificates'],
    ['reloaded', 'tables'],
  ];

  test('new connections are shown a new certificate, the sessions that stand go on', async () => {
    const session = await openSession(site, JOHN, 'pop3s');
    assert.equal((await shown()).subject.CN, 'ecdsa');
    useCertificate(site.folder, site.certificates.rsa);
    assert.equal((await shown()).subject.CN, 'ecdsa', 'not before the signal');
    assert.deepEqual(
      (await reload()).map(({ event, part }) => [event, part]),
      RELOADED,
    );
    assert.equal((await shown()).subject.CN, 'rsa');
    const starttls = await openClient(site, 'pop3');
    await starttls.ask('STLS');
    await starttls.startTls(site.certificates.ca, 'pop.test');
    assert.equal(await starttls.ask('NOOP'), '+OK');
    starttls.destroy();
    assert.match(await session.ask('RETR 1'), /^\+OK /);
    session.destroy();
  });

  test('a certificate that cannot be used is reported, and the old one stays', async () => {
    const { rsa, ecdsa } = site.certificates;
    const file = `${site.folder.path}/mail.pem`;
    const broken = { ...rsa, certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' };
    for (const certificate of [broken, { ...rsa, certificate: ecdsa.certificate }]) {
      useCertificate(site.folder, certificate);
      const [event] = await reload();
      assert.deepEqual([event?.event, event?.level, event?.part], ['reload-failed', 'error', 'certificates']);
      const detail = String(event?.detail);
      assert.ok(detail.includes(file), detail);
      assert.equal((await shown()).subject.CN, 'rsa');
    }
    useCertificate(site.folder, ecdsa);
    await reload();
    assert.equal((await shown()).subject.CN, 'ecdsa');
  });

  test('the tables in files are read anew, and a broken line is reported', async () => {
    const changed = { ...JOHN, password: 'rel0aded' };
    const client = await openClient(site);
    site.write('acme.com.passwd', `john:${changed.password}:/var/spool/mail/johnacme\n\njane:x:y\n`);
    assert.equal(await loginReply(site, JOHN), LET_IN, 'not before the signal');
    const events = await reload();
    const diagnostic = events.find(({ event, line }) => event === 'table-diagnostic' && line === 2);
    assert.equal(diagnostic?.file, `${site.folder.path}/acme.com.passwd`);
    assert.match(`${diagnostic?.reason} / ${diagnostic?.cure}`, /blank line .* \/ remove the line/);
    assert.equal(await logIn(client, JOHN), REFUSED, 'on a connection that stood, too');
    assert.equal(await logIn(client, changed), LET_IN);
    client.destroy();
    assert.equal(await loginReply(site, JANE), REFUSED);
  });

  test('tables that cannot be read are reported, and those read before stay', async () => {
    for (const [name, text] of Object.entries(standardTables())) site.write(name, text);
    await reload();
    assert.equal(await loginReply(site, JANE), LET_IN);
    const table = `${site.folder.path}/teapop.passwd`;
    rmSync(table);
    mkdirSync(table);
    const events = await reload();
    const failed = events.find(({ part }) => part === 'tables');
    assert.equal(failed?.event, 'reload-failed');
    assert.match(failed?.detail as string, /teapop\.passwd/);
    assert.equal(await loginReply(site, JANE), LET_IN);
  });
});
