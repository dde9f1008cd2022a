import assert from 'node:assert/strict';
import { test } from 'node:test';
import { good, onlyError, withRest } from './configs.ts';

/** The one thing wrong with a section, as `path: message`, and its hint. */
function only(text: string): [string, string | null] {
  const { path, message, hint } = onlyError(withRest(text));
  return [`${path}: ${message}`, hint];
}

function warningsOf(text: string): string[] {
  return good(withRest(text)).warnings.map(
    ({ severity, path, message }) => `${severity} ${path}: ${message}`,
  );
}

test('tables come from one server, from Sentinels or from a Cluster, and what belongs to another is told', () => {
  const sentinels = 'sentinels: [{ host: 127.0.0.1 }]';
  const cluster = 'cluster: [{ host: 127.0.0.1 }]';
  const cases: [string, string, RegExp][] = [
    [`${sentinels}`, 'redis.sentinels: no master is named', /write master with the name/],
    [
      `${sentinels}, master: m, ${cluster}`,
      'redis.sentinels: both Sentinels and a Cluster',
      /keep cluster or/,
    ],
    ['master: m', 'redis.master: there are no Sentinels', /under redis\.sentinels/],
    ['sentinel_username: u', 'redis.sentinel_username: there are no Sentinels', /under redis\.sentinels/],
    [
      'sentinel_password_env: P',
      'redis.sentinel_password_env: there are no Sentinels',
      /under redis\.sentinels/,
    ],
    [`${cluster}, database: 1`, 'redis.database: a Cluster has database 0 alone', /redis\.prefix/],
    [`${cluster}, host: localhost`, 'redis.host: not used with redis.cluster', /under redis\.cluster/],
    [`${sentinels}, master: m, port: 7000`, 'redis.port: not used with redis.sentinels', /redis\.sentinels/],
    [
      `${sentinels}, master: m, sentinel_password_file: /p, sentinel_password_env: P`,
      "redis.sentinel_password_env: a second source of the Sentinels' password",
      /keep sentinel_password_file or/,
    ],
    ['sentinels: []', 'redis.sentinels: expected at least one of them', /^$/],
    ['cluster: [{ port: 7000 }]', 'redis.cluster[0].host: is missing', /host name/],
    [
      `${sentinels}, master: m, sentinel_password: x`,
      'redis.sentinel_password: secrets come from a file or from the environment, not from here',
      /write sentinel_password_file .* sentinel_password_env/,
    ],
  ];
  for (const [text, error, cure] of cases) {
    const [found, hint] = only(`redis: { ${text} }\n`);
    assert.equal(found, error);
    assert.match(hint ?? '', cure);
  }
});

test('the three topologies are read, with the usual ports', () => {
  const redis = (text: string) => good(withRest(`redis: { ${text} }\n`)).config.redis;
  const sentinel = redis(
    'sentinels: [{ host: localhost }, { host: "::1", port: 5000 }], master: m, database: 3',
  );
  assert.deepEqual(sentinel.sentinels, [
    { host: 'localhost', port: 26379 },
    { host: '::1', port: 5000 },
  ]);
  assert.deepEqual([sentinel.master, sentinel.database, sentinel.cluster], ['m', 3, null]);
  assert.deepEqual(redis('cluster: [{ host: 127.0.0.1 }]').cluster, [{ host: '127.0.0.1', port: 6379 }]);
  const single = redis('port: 7000');
  assert.deepEqual([single.host, single.port, single.sentinels], ['127.0.0.1', 7000, null]);
});

test('tables that cross a network in plain are a warning in every topology', () => {
  const plain = (text: string) => warningsOf(`redis: { ${text} }\n`);
  const far = '[{ host: 127.0.0.1 }, { host: redis.example.com }]';
  assert.deepEqual(plain(`cluster: ${far}`), [
    'warning redis.cluster[1].host: the tables come from this host in plain',
  ]);
  assert.deepEqual(plain(`sentinels: ${far}, master: m`), [
    'warning redis.sentinels[1].host: who has the tables is told by this host in plain, and they come in plain',
  ]);
  assert.deepEqual(plain(`cluster: ${far}, tls: true`), []);
});
