import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Credentials, LOGIN_METHODS } from '../../src/pop3/credentials.ts';
import { UpstreamLogin, type UpstreamPlan } from '../../src/pop3/upstream-login.ts';
import { ACCEPTED, base64, Driver, latin1, REJECTED, type Setting, text } from './drive.ts';

const UNSENDABLE = /[\0\r\n\u0100-\uffff]/;
const RUNS = { numRuns: 300 };
/** Any octets, as an octet string. */
const octets = fc.uint8Array({ maxLength: 400 }).map(text);
/** Octets that lines are made or broken of. */
const hostile = fc
  .array(fc.constantFrom('\r', '\n', '\0', ' ', '\r\n', 'DELE 1', '\x85', '\xff', '\u010a', 'a', '='), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''));
const field = fc.oneof(hostile, octets);

/** Lines a client may send, whole and broken. STLS apart: behind it the answer does depend on the segments. */
const clientLine = fc.oneof(
  fc.constantFrom(
    'CAPA',
    'noop',
    'USER a',
    'USER',
    'PASS b',
    'PASS',
    'AUTH',
    'AUTH PLAIN',
    'AUTH LOGIN',
    'AUTH CRAM-MD5',
    `APOP a ${'0'.repeat(32)}`,
    '*',
    'STAT',
  ),
  fc.constantFrom(
    'AUTH SCRAM-SHA-256',
    `AUTH SCRAM-SHA-256 ${base64('n,,n=a,r=x')}`,
    base64('y,,n=a,r=x'),
    base64(`c=biws,r=xunique1,p=${base64('p'.repeat(32))}`),
    base64(`c=eSws,r=xunique1,p=${base64('p'.repeat(32))}`),
    base64(`a b ${'f'.repeat(32)}`),
    '',
  ),
  fc.constantFrom(
    `AUTH PLAIN ${base64('\0a\0b')}`,
    base64('\0a\0b'),
    base64('john'),
    'AUTH LOGIN =',
    'QUIT',
    'GET /',
  ),
  field.map((value) => `USER ${value}`),
  field.map((value) => `APOP ${value} ${'0'.repeat(32)}`),
  field.map((value) => `AUTH SCRAM-SHA-256 ${base64(`n,a=${value},n=${value},r=${value}`)}`),
  field.map((value) => base64(`${value} ${'0'.repeat(32)}`)),
  field.map((value) => `AUTH PLAIN ${Buffer.from(value, 'latin1').toString('base64')}`),
  fc.integer({ min: 230, max: 600 }).map((length) => `PASS ${'p'.repeat(length)}`),
  octets.filter((value) => !/stls/i.test(value)),
);
const ending = fc.constantFrom('\r\n', '\n', '\r\n', '\r\r\n', '');
const dialogue = fc
  .array(
    fc.tuple(clientLine, ending).map(([line, end]) => line + end),
    { maxLength: 12 },
  )
  .map((lines) => lines.join(''));

function cut(input: string, places: number[]): string[] {
  const at = [...new Set(places.map((place) => place % (input.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => input.slice(from, at[i] ?? input.length));
}

/** Every octet that the proxy may say on its own; a client's text is none of it. */
const OWN_WORDS =
  /^(\+OK|-ERR)( [\x20-\x7e]*)?\r\n([A-Z0-9-]+( [\x20-\x7e]+)*\r\n)*(\.\r\n)?$|^\+ [A-Za-z0-9+/=]*\r\n$/;

const ALL: Setting = { settings: { methods: LOGIN_METHODS } };
/** What a login comes to; 'proved' is for SCRAM alone. */
const verdictOf = (accept: boolean) => (credentials: Credentials) => {
  if (!accept) return REJECTED;
  if (credentials.mechanism !== 'SCRAM-SHA-256') return ACCEPTED;
  return { result: 'proved', serverSignature: 'v' } as const;
};
/** Octet strings anywhere in it. */
const textsIn = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Object.values(value as object).flatMap(textsIn);

describe('the machine facing the client', () => {
  it('does the same however its octets are cut', () => {
    fc.assert(
      fc.property(dialogue, fc.array(fc.nat(), { maxLength: 20 }), fc.boolean(), (input, places, accept) => {
        const setting = { ...ALL, verdict: verdictOf(accept) };
        const whole = new Driver(setting);
        const pieces = new Driver(setting);
        for (const driver of [whole, pieces]) driver.machine.greet();
        whole.feed(input);
        for (const piece of cut(input, places)) pieces.feed(piece);
        assert.deepEqual(pieces.transcript, whole.transcript);
        assert.equal(pieces.machine.buffered, whole.machine.buffered);
      }),
      RUNS,
    );
  });

  it('never throws, never echoes, keeps at most one line', () => {
    const marked = fc.oneof(dialogue, octets).map((input) => input.replaceAll('a', 'zqj'));
    fc.assert(
      fc.property(fc.array(marked, { maxLength: 8 }), fc.boolean(), (segments, tls) => {
        const driver = new Driver({ ...ALL, tls });
        driver.machine.greet();
        for (const segment of segments) {
          driver.feed(segment);
          assert.ok(driver.machine.buffered < 12_400);
        }
        for (const effect of driver.effects) {
          if (effect.do !== 'reply') continue;
          const reply = text(effect.octets);
          assert.match(reply, OWN_WORDS);
          assert.ok(!reply.includes('zqj'));
        }
      }),
      RUNS,
    );
  });

  it('runs nothing that came in plain behind STLS', () => {
    fc.assert(
      fc.property(dialogue, fc.array(fc.nat(), { maxLength: 9 }), (behind, places) => {
        fc.pre(behind.length > 0);
        const driver = new Driver(ALL);
        for (const piece of cut(`STLS\r\n${behind}`, places)) driver.feed(piece);
        driver.machine.secured();
        driver.run();
        assert.deepEqual(driver.logins, []);
        assert.equal(driver.transcript.at(-1), 'close plaintext-after-stls');
        assert.ok(driver.transcript.length <= 3);
        assert.equal(driver.machine.buffered, 0);
      }),
      RUNS,
    );
  });

  it('hands no NUL, CR or LF to the authenticator', () => {
    const command = fc.tuple(field, field, field, fc.nat(5)).map(([authzid, user, password, kind]) => {
      if (kind === 0) return `USER ${user}\r\nPASS ${password}\r\n`;
      if (kind === 1) return `AUTH PLAIN ${base64(`${authzid}\0${user}\0${password}`)}\r\n`;
      if (kind === 2) return `AUTH LOGIN ${base64(user)}\r\n${base64(password)}\r\n`;
      if (kind === 3) return `APOP ${user} ${'0'.repeat(32)}\r\n`;
      if (kind === 4) return `AUTH CRAM-MD5\r\n${base64(`${user} ${'0'.repeat(32)}`)}\r\n`;
      const final = `c=${base64(`n,a=${authzid},`)},r=xunique1,p=${base64('p'.repeat(32))}`;
      return `AUTH SCRAM-SHA-256\r\n${base64(`n,a=${authzid},n=${user},r=x`)}\r\n${base64(final)}\r\n`;
    });
    fc.assert(
      fc.property(command, (input) => {
        const driver = new Driver(ALL);
        driver.machine.greet();
        for (const login of driver.feed(input).logins) {
          for (const value of textsIn({ ...login, proof: '' })) assert.doesNotMatch(value, UNSENDABLE);
        }
      }),
      RUNS,
    );
  });
});

/** Everything sent to a mailstore that says yes to all, and how the login ended. */
function sentFor(plan: UpstreamPlan): { sent: string[]; end: string } {
  const machine = new UpstreamLogin(plan);
  const sent: string[] = [];
  const answers = ['+OK\r\n', plan.login.kind === 'plain' ? '+ \r\n' : '+OK\r\n', '+OK\r\n'];
  for (let turn = 0; turn < 9; turn++) {
    const effect = machine.next();
    if (effect?.do === 'fail') return { sent, end: effect.failure };
    if (effect?.do === 'done') return { sent, end: 'done' };
    if (effect?.do === 'send') {
      sent.push(text(effect.octets));
      if (sent[0]!.length > 'AUTH PLAIN\r\n'.length && sent[0]!.startsWith('AUTH'))
        answers.splice(0, answers.length, '+OK\r\n');
    }
    if (effect === null) machine.receive(latin1(answers.shift()!));
  }
  throw new Error('a login without end');
}

describe('the machine facing the mailstore', () => {
  const userpass = fc.record({ kind: fc.constant('userpass' as const), user: field, password: field });
  const plain = fc.record({
    kind: fc.constant('plain' as const),
    authzid: field,
    authcid: field,
    password: field,
  });

  it('sends the lines of a login and no line more, whatever names and passwords hold', () => {
    fc.assert(
      fc.property(fc.oneof(userpass, plain), (login) => {
        const { sent, end } = sentFor({ tls: 'off', login });
        if (end === 'cannot-express') assert.deepEqual(sent, []);
        else {
          assert.equal(end, 'done');
          assert.ok(sent.length === 2 || (login.kind === 'plain' && sent.length === 1));
          for (const line of sent) assert.match(line, /^[^\0\r\n]+\r\n$/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('sends for decoded SASL fields of any octets what it was told, or nothing', () => {
    fc.assert(
      fc.property(field, field, (user, password) => {
        const driver = new Driver().feed(`AUTH PLAIN ${base64(`\0${user}\0${password}`)}\r\n`);
        for (const login of driver.logins) {
          if (!('password' in login)) throw new Error('PLAIN is a password');
          const { sent, end } = sentFor({ tls: 'off', login: { kind: 'userpass', ...login } });
          if (end === 'cannot-express') assert.deepEqual(sent, []);
          else assert.deepEqual(sent, [`USER ${login.user}\r\n`, `PASS ${login.password}\r\n`]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('comes to one end, never throws and keeps at most one line, whatever the mailstore says', () => {
    const reply = fc.oneof(fc.constantFrom('+OK\r\n', '+ \r\n', '-ERR [AUTH] no\r\n', '+OK', '\n'), octets);
    const tls = fc.constantFrom('off' as const, 'starttls' as const);
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 9 }), tls, fc.boolean(), (replies, mode, pipelining) => {
        const login = { kind: 'userpass', user: 'a', password: 'b' } as const;
        const machine = new UpstreamLogin({ tls: mode, login, pipelining });
        let ends = 0;
        for (const octets of replies) {
          if (machine.stage === 'done') break;
          machine.receive(latin1(octets));
          for (let effect = machine.next(); effect !== null; effect = machine.next()) {
            if (effect.do === 'startTls') machine.secured();
            if (effect.do === 'done' || effect.do === 'fail') ends++;
          }
        }
        machine.closed();
        for (let effect = machine.next(); effect !== null; effect = machine.next()) ends++;
        assert.equal(ends, 1);
      }),
      RUNS,
    );
  });

  it('comes to the same end line by line and all at once, whatever the mailstore answers', () => {
    const reply = fc.constantFrom(
      '+OK\r\n',
      '+OK\n',
      '+ \r\n',
      '-ERR\r\n',
      '-ERR [SYS/PERM] no\r\n',
      'no\r\n',
    );
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 5 }), fc.boolean(), (replies, told) => {
        const client = { address: '192.0.2.7', port: 1, session: 's' };
        const login = { kind: 'userpass', user: 'a', password: 'b' } as const;
        const plan: UpstreamPlan = { tls: 'off', login, ...(told ? { client } : {}) };
        const answers = ['+OK [XCLIENT] ready\r\n', ...replies];
        assert.deepEqual(endOf({ ...plan, pipelining: true }, answers), endOf(plan, answers));
      }),
      RUNS,
    );
  });
});

/** How a login comes out, and where, when one reply comes after the other. */
function endOf(plan: UpstreamPlan, replies: readonly string[]): string {
  const machine = new UpstreamLogin(plan);
  for (const octets of replies) {
    machine.receive(latin1(octets));
    for (let effect = machine.next(); effect !== null; effect = machine.next()) {
      if (effect.do === 'done') return 'done';
      if (effect.do === 'fail') return `${effect.failure} at ${machine.stage}, ${machine.notice}`;
    }
  }
  return `waits at ${machine.stage}, ${machine.notice}`;
}
