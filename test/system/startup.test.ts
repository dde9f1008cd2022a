/** What keeps the proxy from starting is told in one line and ends it with 1; nothing is left running. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { freePort, isListening } from '../support/ports.ts';
import type { LogLine } from '../support/proxy-process.ts';
import { runProxy } from '../support/proxy-process.ts';
import { ADDRESS, type RunningSite, startSite } from '../support/running-site.ts';

/** The settings that these tests spoil. */
type Draft = {
  listeners: { name: string; port: number; address: string }[];
  tls: { certificates: { certificate: string; key: string }[] };
  tables: { domain_table: string };
  upstreams: Record<string, unknown>[];
  admin: { port: number };
};

let site: RunningSite;

before(async () => {
  site = await startSite({ source: 'files', mailstore: false });
});
after(() => site.stop());

/** Starts a second proxy with a spoilt config; asserts that it leaves, and gives what it said. */
async function startSpoilt(spoil: (draft: Draft) => void, runtime = 'bun'): Promise<string> {
  const draft = parse(readFileSync(site.configFile, 'utf8')) as Draft;
  const [first, admin] = [await freePort(), await freePort()];
  draft.listeners[0]!.port = first;
  draft.admin.port = admin;
  spoil(draft);
  const file = site.folder.file('spoilt.yaml', stringify(draft));
  const { code, stdout, stderr } = await runProxy(['serve', '--config', file], {
    TEAPOP_PROXY_RUNTIME: runtime,
  });
  assert.equal(code, 1);
  assert.equal(stderr, '');
  for (const port of [first, admin]) assert.equal(await isListening(port), false);
  const lines = stdout.toString().trimEnd().split('\n');
  const [problem, ...others] = lines
    .map((line) => JSON.parse(line) as LogLine)
    // There is no mailstore, which is said as well.
    .filter(({ event }) => event !== 'listening' && event !== 'capabilities-unknown');
  assert.deepEqual(others, []);
  assert.deepEqual([problem?.event, problem?.level], ['not-started', 'error']);
  return String(problem?.detail);
}

for (const runtime of ['bun', 'node']) {
  test(`a listener's port that another program has, on ${runtime}`, async () => {
    const port = site.proxy.port('plain');
    const detail = await startSpoilt((draft) => {
      draft.listeners[1]!.port = port;
    }, runtime);
    assert.equal(detail, `listener pop3s: cannot listen on ${ADDRESS} port ${port}: it is in use`);
  });
}

test('an address that this host does not have', async () => {
  const detail = await startSpoilt((draft) => {
    // TEST-NET-1 of RFC 5737.
    Object.assign(draft.listeners[1]!, { address: '192.0.2.1', port: 1110 });
  });
  assert.equal(
    detail,
    'listener pop3s: cannot listen on 192.0.2.1 port 1110: this host does not have the address',
  );
});

test('the port of health and metrics', async () => {
  const detail = await startSpoilt((draft) => {
    draft.admin.port = site.adminPort;
  });
  assert.equal(detail, `admin: cannot listen on ${ADDRESS} port ${site.adminPort}: it is in use`);
});

test('a certificate that is not there', async () => {
  const file = `${site.folder.path}/missing.pem`;
  const detail = await startSpoilt((draft) => {
    draft.tls.certificates[0]!.certificate = file;
  });
  assert.match(detail, /ENOENT|does not exist/);
  assert.ok(detail.includes(file), detail);
});

test('a key that belongs to another certificate', async () => {
  const detail = await startSpoilt((draft) => {
    draft.tls.certificates[0]!.key = site.certificates.rsa.keyFile;
  });
  assert.match(detail, /the private key belongs to another certificate/);
  assert.ok(detail.includes(site.certificates.ecdsa.certificateFile), detail);
});

test('a domain table that cannot be read', async () => {
  const folder = `${site.folder.path}/folder.passwd`;
  mkdirSync(folder);
  const detail = await startSpoilt((draft) => {
    draft.tables.domain_table = folder;
  });
  assert.ok(detail.startsWith(`${folder}: the domain table cannot be read`), detail);
});

test("the authorities of a mailstore's certificate", async () => {
  const file = `${site.folder.path}/missing-ca.pem`;
  const detail = await startSpoilt((draft) => {
    Object.assign(draft.upstreams[0]!, { tls: 'starttls', ca_file: file });
  });
  assert.ok(detail.includes(file), detail);
});
