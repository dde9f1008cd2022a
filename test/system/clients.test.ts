/** Mail that real clients fetch through the proxy from a real mailstore is what was delivered, octet for octet. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Client,
  type ClientName,
  clients,
  type Fetched,
  type FetchOptions,
  MODES,
  type Mode,
  modesOf,
} from '../support/clients.ts';
import { AWKWARD_MESSAGES } from '../support/messages.ts';
import { capabilitiesSeen } from '../support/nmap.ts';
import { until } from '../support/process.ts';
import {
  ADDRESS,
  BARE,
  JANE,
  JOHN,
  OTTO,
  type RunningSite,
  SECOND_ADDRESS,
  SECOND_JOHN,
  startSite,
} from '../support/running-site.ts';

type Person = { login: string; password: string; localUser: string };

/** Which listener a client of this mode calls. */
const LISTENERS: Record<Mode, string> = { plain: 'plain', stls: 'pop3', tls: 'pop3s' };
const EVERYBODY = [JOHN, JANE, OTTO];

let site: RunningSite;

before(async () => {
  site = await startSite();
  for (const { localUser } of EVERYBODY) deliverAll(localUser);
  site.dovecot!.deliver(SECOND_JOHN.localUser, ONLY_AT_SECOND);
  site.dovecot!.deliver(BARE.localUser, ONLY_WITHOUT_DOMAIN);
});
after(() => site.stop());

const ONLY_AT_SECOND = 'Subject: for the second address\r\n\r\nnot for acme.com\r\n';
const ONLY_WITHOUT_DOMAIN = 'Subject: for no domain\r\n\r\nbare\r\n';

function deliverAll(localUser: string): void {
  for (const message of AWKWARD_MESSAGES) site.dovecot!.deliver(localUser, message);
}

function fetchAs(
  client: Client,
  { login, password }: Person,
  mode: Mode,
  more?: Partial<FetchOptions>,
): Promise<Fetched> {
  const { caFile } = site.certificates;
  return client({ user: login, password, mode, port: site.proxy.port(LISTENERS[mode]), caFile, ...more });
}

function assertFetched(fetched: Fetched, expected: readonly string[] = AWKWARD_MESSAGES): void {
  assert.equal(fetched.code, 0, fetched.output);
  const texts = fetched.messages.map((message) => message.toString('latin1'));
  assert.deepEqual(texts, expected);
}

for (const [name, client] of Object.entries(clients)) {
  const modes = modesOf(name as ClientName);
  for (const mode of modes) {
    test(`${name} fetches an mbox, ${mode}`, async () => assertFetched(await fetchAs(client, JOHN, mode)));
  }
  test(`${name} fetches a Maildir, its password with a space`, async () =>
    assertFetched(await fetchAs(client, JANE, 'tls')));
  test(`${name} fetches as a user of an htpasswd file`, async () =>
    assertFetched(await fetchAs(client, OTTO, modes.includes('stls') ? 'stls' : 'tls')));
  test(`${name} hears of a wrong password`, async () => {
    const fetched = await fetchAs(client, { ...JOHN, password: 'wrong' }, 'tls');
    assert.notEqual(fetched.code, 0);
    assert.deepEqual(fetched.messages, []);
    assert.match(fetched.output, /\[AUTH\] Login failed/);
  });
}

for (const client of ['curl', 'mpop'] as const) {
  for (const auth of ['plain', 'login'] as const) {
    test(`${client} fetches after AUTH ${auth.toUpperCase()}`, async () =>
      assertFetched(await fetchAs(clients[client], JOHN, 'stls', { auth })));
  }
}

for (const client of ['mpop', 'neomutt'] as const) {
  test(`${client} fetches after AUTH with the mechanism it likes best`, async () => {
    const began = Date.now();
    assertFetched(await fetchAs(clients[client], OTTO, 'stls', { auth: 'best' }));
    // Log lines are gathered: the last one may be that of the session before.
    const since = async () =>
      (await site.proxy.sessionsOf(OTTO.login)).filter(({ time }) => Date.parse(time as string) >= began);
    await until('its line', async () => (await since()).length > 0);
    assert.deepEqual(
      (await since()).map(({ command }) => command),
      ['AUTH'],
    );
  });
}

test("nmap's pop3-capabilities sees on each listener what its clients may do", async () => {
  const seen = await capabilitiesSeen({
    [site.proxy.port('plain')]: 'pop3',
    [site.proxy.port('pop3')]: 'pop3',
    [site.proxy.port('pop3s')]: 'pop3s',
  });
  const common = [
    'AUTH-RESP-CODE',
    'IMPLEMENTATION(teapop-proxy)',
    'PIPELINING',
    'RESP-CODES',
    'TOP',
    'UIDL',
  ];
  const login = ['SASL(PLAIN LOGIN)', 'USER'];
  const expected = { plain: [...common, ...login], pop3: [...common, 'STLS'], pop3s: [...common, ...login] };
  for (const [listener, capabilities] of Object.entries(expected))
    assert.deepEqual(seen[site.proxy.port(listener)], capabilities.sort(), listener);
});

test('what a client removes is gone from the maildrop, and nothing else', async () => {
  const { dovecot } = site;
  const before = dovecot!.count(JOHN.localUser);
  site.dovecot!.deliver(BARE.localUser, AWKWARD_MESSAGES[0]!);
  const port = site.proxy.port('second');
  const fetched = await fetchAs(clients.mpop, BARE, 'plain', { host: SECOND_ADDRESS, port, remove: true });
  assertFetched(fetched, [ONLY_WITHOUT_DOMAIN, AWKWARD_MESSAGES[0]!]);
  assert.equal(dovecot!.count(BARE.localUser), 0);
  assert.equal(dovecot!.count(JOHN.localUser), before);
});

describe('the address that the client connects to', () => {
  const atSecond = () => ({ host: SECOND_ADDRESS, port: site.proxy.port('second') });

  test('decides whose maildrop one login name opens', async () => {
    assertFetched(await fetchAs(clients.curl, SECOND_JOHN, 'plain', atSecond()), [ONLY_AT_SECOND]);
    const elsewhere = await fetchAs(clients.curl, SECOND_JOHN, 'plain');
    assert.notEqual(elsewhere.code, 0);
  });

  test('serves a login without a domain, and only there', async () => {
    site.dovecot!.deliver(BARE.localUser, ONLY_WITHOUT_DOMAIN);
    assertFetched(await fetchAs(clients.curl, BARE, 'plain', atSecond()), [ONLY_WITHOUT_DOMAIN]);
    const elsewhere = await fetchAs(clients.curl, BARE, 'plain', { host: ADDRESS });
    assert.notEqual(elsewhere.code, 0);
    const { reason } = await site.proxy.logged('session', { login: BARE.login, listener: 'plain' });
    assert.equal(reason, 'unknown-domain');
  });
});

test('a session leaves a line that tells who it was', async () => {
  await site.restart();
  assertFetched(await fetchAs(clients.poplib, JANE, 'stls'));
  const [session, ...others] = await site.proxy.sessions();
  assert.deepEqual(others, []);
  const { listener, login, local_user, upstream, result, reason, end } = session!;
  assert.deepEqual(
    { listener, login, local_user, upstream: upstream?.name, result, reason, end },
    {
      ...{ listener: 'pop3', login: JANE.login, local_user: JANE.localUser, upstream: 'mailstore' },
      ...{ result: 'accepted', reason: 'none', end: 'upstream-closed' },
    },
  );
  assert.equal(session!.tls?.version, 'TLSv1.3');
  const size = AWKWARD_MESSAGES.join('').length;
  assert.ok(session!.octets.to_client > size, `${session!.octets.to_client} octets of ${size}`);
});

// Last: from here on the proxy runs on the other runtime.
describe('on Node', () => {
  before(() => site.restart('node'));

  test('it is Node that serves', async () =>
    assert.match((await site.admin('/metrics')).body, /build_info\{[^}]*runtime="node"/));
  for (const mode of MODES) {
    test(`curl fetches, ${mode}`, async () => assertFetched(await fetchAs(clients.curl, JOHN, mode)));
  }
});
