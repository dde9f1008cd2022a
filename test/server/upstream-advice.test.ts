/** What `check --upstreams` tells of what a mailstore's server said, without one. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath } from '../../src/config/problem.ts';
import { judgeAnswer, type ServerAnswer } from '../../src/server/upstream-advice.ts';
import { good, LISTENERS } from '../config/configs.ts';

const CAPABILITIES = ['TOP', 'USER', 'SASL PLAIN LOGIN', 'PIPELINING'];

function judge(settings: string, answer: Partial<Extract<ServerAnswer, { ok: true }>> | ServerAnswer) {
  const { config } = good(
    `${LISTENERS}upstreams: [{ name: store, host: 127.0.0.1, port: 1110${settings} }]\n`,
  );
  const whole = { ok: true, offersXclient: true, capabilities: CAPABILITIES, ...answer } as ServerAnswer;
  return judgeAnswer(config.upstreams[0]!, 0, 0, whole);
}

const brief = (...of: Parameters<typeof judge>) =>
  judge(...of).map(({ severity, path, message }) => `${severity} ${formatPath(path)}: ${message}`);

const TOLD = ', xclient: true';
const ALL_ONE =
  "warning upstreams[0].xclient: store would see all users come from the proxy's one address: its delays after wrong passwords and its limits by address hit everybody";
const NOT_OFFERED =
  "warning upstreams[0].xclient: store does not offer [XCLIENT] to this host in its greeting, and would see all users come from the proxy's address";
const NO_PLAIN = 'warning upstreams[0].login: store announces no SASL PLAIN, by which the proxy is to log in';
const NO_USER = 'warning upstreams[0].login: store announces no USER, by which the proxy is to log in';
const NO_PIPELINING =
  'warning upstreams[0].pipelining: store announces no PIPELINING, and may lose what comes behind USER';
const BY_PLAIN = `${TOLD}, login: { plain: { user: proxy, password_env: P } }`;
const BY_MASTER = `${TOLD}, login: { master: { user: proxy, password_env: P } }`;

describe('what is said of a server that answers', () => {
  const CASES: [what: string, settings: string, answer: object, warnings: string[]][] = [
    ['told by XCLIENT', TOLD, {}, []],
    ['told by a PROXY header', ', proxy_protocol: v2', { offersXclient: false }, []],
    ['not told', '', { offersXclient: false }, [ALL_ONE]],
    ['not told, though it would take it', '', {}, [ALL_ONE]],
    ['to be told, and does not take it', TOLD, { offersXclient: false }, [NOT_OFFERED]],
    ['SASL PLAIN', BY_PLAIN, {}, []],
    ['SASL PLAIN in small letters', BY_PLAIN, { capabilities: ['sasl login plain'] }, []],
    ['no SASL PLAIN', BY_PLAIN, { capabilities: ['USER', 'SASL LOGIN', 'PLAIN'] }, [NO_PLAIN]],
    ['SASL of another name', BY_PLAIN, { capabilities: ['SASL PLAIN-CLIENTTOKEN'] }, [NO_PLAIN]],
    ['no CAPA, for SASL PLAIN', BY_PLAIN, { capabilities: null }, [NO_PLAIN]],
    ['no SASL, which a master needs none of', BY_MASTER, { capabilities: ['USER'] }, []],
    ['no USER', BY_MASTER, { capabilities: ['SASL PLAIN'] }, [NO_USER]],
    ['no CAPA, for USER', BY_MASTER, { capabilities: null }, []],
    ['PIPELINING as wanted', `${TOLD}, pipelining: on`, {}, []],
    ['no PIPELINING', `${TOLD}, pipelining: on`, { capabilities: ['USER'] }, [NO_PIPELINING]],
    ['no CAPA, for PIPELINING', `${TOLD}, pipelining: on`, { capabilities: null }, [NO_PIPELINING]],
    ['no PIPELINING, and none wanted', `${TOLD}, pipelining: off`, { capabilities: ['USER'] }, []],
    ['no PIPELINING, which it is asked for', TOLD, { capabilities: ['USER'] }, []],
  ];
  for (const [what, settings, answer, warnings] of CASES) {
    test(what, () => assert.deepEqual(brief(settings, answer), warnings));
  }

  test('the cure depends on what it offers', () => {
    const hint = (offersXclient: boolean) => judge('', { offersXclient })[0]!.hint!;
    assert.match(hint(true), /^write xclient: true, which it offers to this host; .*docs\/mailstore\.md/);
    assert.match(hint(false), /login_trusted_networks, or use proxy_protocol; .*auth_penalty/);
  });
});

test('a failure is an error at the server, with its word, detail and cure', () => {
  const failed: ServerAnswer = { ok: false, failure: 'stls-refused', detail: 'at stage\x1b[2J stls' };
  const [finding, ...others] = judge('', failed);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [finding!.severity, formatPath(finding!.path), finding!.message, finding!.hint],
    [
      'error',
      'upstreams[0].host',
      'stls-refused: at stage\\u{1b}[2J stls',
      'let the mailstore offer STLS, or write tls: implicit with its TLS port (docs/failures.md)',
    ],
  );
});

test('a server in a list is named, and pointed at', () => {
  const { config } = good(
    `${LISTENERS}upstreams: [{ name: store, port: 1110, xclient: true, servers: [{ host: a.test }, { name: two, host: b.test }] }]\n`,
  );
  const told = (answer: ServerAnswer) => judgeAnswer(config.upstreams[0]!, 0, 1, answer)[0]!;
  const silent = told({ ok: true, offersXclient: false, capabilities: CAPABILITIES });
  assert.match(silent.message, /^two does not offer/);
  const refused = told({ ok: false, failure: 'connect-refused', detail: 'no' });
  assert.equal(formatPath(refused.path), 'upstreams[0].servers[1].host');
});
