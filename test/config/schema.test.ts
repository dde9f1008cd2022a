import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { schema } from '../../src/cli/schema.ts';
import { parseConfig } from '../../src/config/load.ts';
import { formatError } from '../../src/config/problem.ts';
import { reference } from '../../src/config/reference.ts';
import { jsonSchema } from '../../src/config/schema.ts';
import type { Schema } from '../../src/config/suggestions.ts';
import { isLocalUserRule } from '../../src/tables/teapop/local-user.ts';
import { errorsOf, good, withRest } from './configs.ts';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

type Path = (string | number)[];
type Setting = { path: Path; node: Schema; required: boolean };

/** Each setting of the schema with its path; list entries and domains as a config would have them. */
function* settings(node: Schema, path: Path = []): Generator<Setting> {
  for (const form of node.anyOf ?? []) yield* settings(form, path);
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    yield { path: [...path, key], node: child, required: node.required?.includes(key) === true };
    yield* settings(child, [...path, key]);
  }
  if (node.items !== undefined) yield* settings(node.items, [...path, 0]);
  if (typeof node.additionalProperties === 'object') {
    yield* settings(node.additionalProperties, [...path, 'acme.com']);
  }
}

function nameOf(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1);
}

const ALL = [...settings(jsonSchema() as Schema)];

test('the editor schema in deploy/ is the one that the source gives', () => {
  const hint = 'write it anew: teapop-proxy schema > deploy/teapop-proxy.schema.json';
  assert.equal(read('deploy/teapop-proxy.schema.json'), `${JSON.stringify(jsonSchema(), null, 2)}\n`, hint);
});

test('the example config names the schema that stands beside it', () => {
  assert.match(
    read('deploy/teapop-proxy.yaml'),
    /^# yaml-language-server: \$schema=\.\/teapop-proxy\.schema\.json\n/,
  );
});

test('the reference in docs/ is the one that the source gives and has every setting', () => {
  const page = read('docs/configuration.md');
  assert.ok(page.endsWith(`\n${reference()}`), 'write its tables anew: teapop-proxy schema --markdown');
  for (const { path } of ALL) {
    const name = nameOf(path).replaceAll('[0]', '[]').replace('acme.com', 'DOMAIN');
    assert.ok(page.includes(`\`${name}`) || page.includes(`## ${name}\n`), `${name} is missing`);
  }
  assert.match(page, /\| `tables\.domains\.DOMAIN\.apop` \| `true`, `false`, `null` \|/);
});

test('the errors that docs/configuration.md shows are those of its example', () => {
  const [, text, shown] =
    /```yaml\n([\s\S]*?)```\n\nis answered by\n\n```\n([\s\S]*?)\n```/.exec(read('docs/configuration.md')) ??
    [];
  const parsed = parseConfig(text ?? '', 'teapop-proxy.yaml');
  assert.ok('errors' in parsed);
  assert.equal(parsed.errors.map(formatError).join('\n'), shown);
});

test('every setting has a meaning, a kind of value, and refuses what it does not know', () => {
  assert.ok(ALL.length > 60);
  for (const { path, node } of ALL) {
    const name = path.join('.');
    assert.ok((node.description ?? '').length > 8, `${name} has no description`);
    assert.ok(node.type ?? node.anyOf ?? node.enum, `${name} has no type`);
    for (const form of [node, ...(node.anyOf ?? [])]) {
      if (form.properties !== undefined) assert.equal(form.additionalProperties, false, name);
    }
  }
});

type Values = { [key: string]: unknown };

/** The lists of servers are there in one topology each. */
const SERVERS: Record<string, Values> = {
  sentinels: { sentinels: [{ host: '127.0.0.1' }], master: 'tables' },
  cluster: { cluster: [{ host: '127.0.0.1' }] },
};

/** What must be given in a section of a listener that can be off. */
const SECTIONS: Record<string, Values> = {
  proxy_protocol: { from: ['192.0.2.0/24'] },
  client_certificates: { ca_file: '/ca.pem' },
};
/** A mailstore of one server, and of a list of them, where the one is told by other settings. */
const ONE: Values = { host: 'mail.example.com' };
const SEVERAL: Values = { servers: [{ host: 'mail.example.com' }] };

/** A config that gives each list an entry, with one setting changed, or left out where the value is undefined. */
function configWith(path: Path, value: unknown): string {
  const servers = path.length > 2 ? SERVERS[String(path[1])] : undefined;
  const section = path.length > 3 ? SECTIONS[String(path[2])] : undefined;
  const settings = section === undefined ? {} : { [String(path[2])]: section };
  const listed = path[0] === 'upstreams' && (path[2] === 'servers' || path[2] === 'host');
  const root: Values = {
    ...(servers === undefined ? {} : { redis: structuredClone(servers) }),
    listeners: [{ name: 'pop3', port: 110, ...structuredClone(settings) }],
    tls: { certificates: [{ certificate: '/mail.pem', key: '/mail.key' }] },
    upstreams: [{ name: 'mailstore', ...structuredClone(listed ? SEVERAL : ONE) }],
  };
  let holder = root;
  for (const [at, step] of path.slice(0, -1).entries()) {
    holder[step] ??= typeof path[at + 1] === 'number' ? [] : {};
    holder = holder[step] as Values;
  }
  if (value === undefined) delete holder[path.at(-1)!];
  else holder[path.at(-1)!] = value;
  return stringify(root);
}

test('a default that is written out is the same as one left out', () => {
  // A login needs its password, and a listener its certificates: these two cannot stand alone.
  const alone = ALL.filter(({ path }) => !path.includes('login') && nameOf(path) !== 'tls.certificates');
  const given = alone.filter(({ path, node }) => node.default !== undefined && nameOf(path) !== 'tls');
  assert.ok(given.length > 40);
  for (const { path, node } of given) {
    const [written, leftOut] = [configWith(path, node.default), configWith(path, undefined)];
    assert.deepEqual(good(written).config, good(leftOut).config, nameOf(path));
  }
});

test('a setting that must be given and is not does not hide the errors between others', () => {
  const late = 'limits: { line_time: 10m, login_time: 5m }\n';
  const required = ALL.filter((setting) => setting.required);
  assert.ok(required.length >= 10);
  for (const { path } of required) {
    const login = { [String(path.at(-2))]: { password_env: 'X' } };
    const upstreams = stringify({ upstreams: [{ name: 'a', host: '127.0.0.1', port: 1110, login }] });
    const text = path.includes('login') ? withRest(upstreams) : configWith(path, undefined);
    const paths = errorsOf(text + late).map((error) => error.path);
    assert.deepEqual(paths.sort(), ['limits.line_time', nameOf(path)].sort());
  }
});

test('local_user takes only rules that the tables understand', () => {
  const piece = fc.constantFrom(
    '{userid}',
    '{domain}',
    '{mailbox}',
    '{uid}',
    '{',
    '}',
    '-',
    'a',
    '_',
    'mailbox',
    'userid',
    'uid',
    '{user}',
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 4 }), (pieces) => {
      const rule = pieces.join('');
      const parsed = parseConfig(withRest(`tables: { local_user: ${JSON.stringify(rule)} }\n`), 'test.yaml');
      if ('config' in parsed) assert.ok(isLocalUserRule(rule), rule);
      else assert.ok(!isLocalUserRule(rule) || /[{}]/.test(rule.replace(/\{\w+\}/g, '')), rule);
    }),
    { numRuns: 500 },
  );
});

test('the command schema prints the schema and the tables', async () => {
  const written: string[] = [];
  const io = {
    out: (text: string) => void written.push(text),
    err: (text: string) => void written.push(text),
    env: {},
  };
  assert.equal(await schema([], io), 0);
  assert.equal(await schema(['--markdown'], io), 0);
  assert.equal(await schema(['--help'], io), 0);
  assert.equal(await schema(['--colour'], io), 2);
  assert.deepEqual(JSON.parse(written[0]!), jsonSchema());
  assert.equal(written[1], reference());
  assert.match(written[2]!, /^usage: teapop-proxy schema/);
  assert.match(written[3]!, /--colour/);
});
