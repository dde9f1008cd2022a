import { LOGIN_METHODS } from '../../src/pop3/credentials.ts';
import { ACCEPTED, Driver, REJECTED, type Setting } from '../pop3/drive.ts';
import { base64, latin1, must, OWN_LINES, pieces, type Target, text } from './target.ts';

/** More than a line of any kind (a SASL response of 12,288 octets), and what came with it in one segment. */
const KEPT_LIMIT = 12_400;
const FIRST_LINE_LIMIT = 512;
/** RFC 5034 §4: a challenge is as long as its mechanism needs; SCRAM repeats the client's nonce (RFC 5802 §5.1). */
const CHALLENGE_LIMIT = 12_600;
const UNSENDABLE = /[\0\r\n\u0100-\uffff]/;

/** The first octet of an input says what kind of connection it is. */
function settingOf(kind: number): Setting {
  return {
    settings: { methods: LOGIN_METHODS },
    tls: (kind & 1) !== 0,
    clearLogins: (kind & 2) !== 0 ? 'any' : 'none',
    verdict: ({ mechanism }) => {
      if ((kind & 4) === 0) return REJECTED;
      return mechanism === 'SCRAM-SHA-256' ? { result: 'proved', serverSignature: 'v' } : ACCEPTED;
    },
  };
}

function drive(setting: Setting, segments: readonly Uint8Array[]): Driver {
  const driver = new Driver(setting);
  driver.machine.greet();
  let secured = false;
  for (const segment of segments) {
    driver.feed(segment);
    must(driver.machine.buffered < KEPT_LIMIT, 'keeps more than a line', driver.machine.buffered);
    if (secured || driver.effects.at(-1)?.do !== 'startTls') continue;
    secured = true;
    driver.machine.secured();
    driver.run();
  }
  return driver;
}

function check(driver: Driver): void {
  for (const effect of driver.effects) {
    if (effect.do !== 'reply') continue;
    const reply = text(effect.octets);
    must(OWN_LINES.test(reply), 'says what is not its own', reply);
    const limit = reply.startsWith('+ ') ? CHALLENGE_LIMIT : FIRST_LINE_LIMIT;
    must(reply.indexOf('\n') < limit, `a first line of more than ${limit} octets`, reply);
  }
  for (const login of driver.logins) {
    for (const value of Object.values(login)) {
      if (typeof value === 'string' && value !== '' && !('proof' in login))
        must(!UNSENDABLE.test(value), 'a login with what no line can carry', login);
    }
  }
}

function run(setting: Setting, octets: Uint8Array): void {
  const whole = drive(setting, [octets]);
  check(whole);
  const cut = drive(setting, pieces(octets));
  check(cut);
  // Behind STLS the answer does depend on the segments: what came with it is refused.
  if (whole.transcript.includes('startTls') || cut.transcript.includes('startTls')) return;
  if (/stls/i.test(text(octets))) return;
  must(whole.transcript.join('|') === cut.transcript.join('|'), 'differs when it is cut', whole.transcript);
}

const LOGIN = base64('\0john\0secret');

/** Lines and commands of a client. */
export const client: Target = {
  name: 'client',
  seeds: [
    '\x02USER john\r\nPASS secret\r\nSTAT\r\n',
    '\x06USER john\nPASS secret\nSTAT\nQUIT\n',
    `\x07AUTH PLAIN ${LOGIN}\r\nRETR 1\r\n`,
    '\x03CAPA\r\nNOOP\r\nAUTH\r\nQUIT\r\n',
    '\x00STLS\r\nUSER john\r\n',
    `\x03APOP john ${'0'.repeat(32)}\r\n`,
    '\x02GET / HTTP/1.1\r\n\r\n',
    '\x02\x16\x03\x01\x02',
    `\x02${'x'.repeat(300)}\r\nNOOP\r\n`,
  ],
  words: [
    ...['USER ', 'PASS ', 'CAPA', 'AUTH', 'AUTH PLAIN', 'AUTH LOGIN', 'AUTH CRAM-MD5', 'AUTH SCRAM-SHA-256'],
    ...[
      'AUTH EXTERNAL',
      'APOP ',
      'STLS',
      'NOOP',
      'QUIT',
      'UTF8',
      'LANG',
      'john',
      '*',
      '=',
      '\r\n',
      '\n',
      '\0',
      ' ',
    ],
    ...[
      'GET /',
      'POST ',
      'HTTP/1.1',
      '\x16\x03\x01',
      LOGIN,
      base64('john'),
      base64('n,,n=a,r=x'),
      '0'.repeat(32),
    ],
    ...['x'.repeat(255), 'A'.repeat(600), 'A'.repeat(12_290)],
  ],
  run: (input) => run(settingOf(input[0] ?? 0), input.subarray(1)),
};

const MECHANISMS = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'EXTERNAL'] as const;

/** The fields inside SASL responses: each line of an input is one, before its base64. */
export const sasl: Target = {
  name: 'sasl',
  seeds: [
    '\x00\0john\0secret',
    '\x01john\nsecret',
    `\x02\njohn ${'0'.repeat(32)}`,
    '\x03n,,n=john,r=nonce\nc=biws,r=nonceunique1,p=dHJ5',
    '\x03y,a=jane,n=jo=2Chn=3D,r=x\n',
    '\x04john',
    '\x08\0john\0secret',
  ],
  words: [
    ...[
      '\0',
      '\n',
      ',',
      '=',
      'n,,',
      'y,,',
      'p=tls-unique,,',
      'n=',
      'r=',
      'c=biws',
      'c=eSws',
      'p=',
      'a=',
      'm=ext',
      '=2C',
    ],
    ...['=3D', 'john', 'secret', 'unique1', '0'.repeat(32), '\xc3\xa4', '\xff', '\r', 'x'.repeat(300)],
  ],
  run(input) {
    const kind = input[0] ?? 0;
    const [first = '', ...others] = text(input.subarray(1)).split('\n');
    const mechanism = MECHANISMS[kind % MECHANISMS.length]!;
    // With an initial response, or after the challenge.
    const initial =
      (kind & 0x40) === 0
        ? `AUTH ${mechanism} ${base64(first) || '='}`
        : `AUTH ${mechanism}\r\n${base64(first)}`;
    const lines = [initial, ...others.map(base64), 'NOOP', 'QUIT'];
    run(settingOf(0x07), latin1(lines.map((line) => `${line}\r\n`).join('')));
  },
};
