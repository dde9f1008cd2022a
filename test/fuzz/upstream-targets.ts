import type { UpstreamMachine } from '../../src/pop3/upstream-effect.ts';
import { UpstreamGreeting } from '../../src/pop3/upstream-greeting.ts';
import { UpstreamInquiry } from '../../src/pop3/upstream-inquiry.ts';
import { UpstreamLogin, type UpstreamPlan } from '../../src/pop3/upstream-login.ts';
import { UPSTREAM_LINE_LIMIT } from '../../src/pop3/upstream-reply.ts';
import { base64, must, pieces, type Target, text } from './target.ts';

const TLS = ['off', 'starttls', 'implicit'] as const;
const LOGINS: readonly UpstreamPlan['login'][] = [
  { kind: 'userpass', user: 'johnacme', password: ' p w ' },
  { kind: 'plain', authzid: 'johnacme', authcid: 'master', password: 'secret' },
  { kind: 'plain', authzid: 'johnacme', authcid: 'master', password: 's'.repeat(300) },
];
const CLIENT = { address: '192.0.2.1', port: 4711, session: 'c0ffee' };
/** All that may ever be said to a mailstore, whatever it answers. */
const SAYABLE = new Set([
  ...['STLS', 'CAPA', 'QUIT', 'USER johnacme', 'PASS  p w ', 'AUTH PLAIN'],
  `AUTH PLAIN ${base64('johnacme\0master\0secret')}`,
  base64(`johnacme\0master\0${'s'.repeat(300)}`),
  'XCLIENT ADDR=192.0.2.1 PORT=4711 SESSION=c0ffee',
]);

/** Feeds it piece by piece and does as it wants; returns how often it came to an end. */
function talk(machine: UpstreamMachine, octets: Uint8Array, unread: () => number): number {
  let ends = 0;
  let over = false;
  const step = () => {
    for (let effect = machine.next(); effect !== null; effect = machine.next()) {
      must(!over, 'does more after its end', effect);
      if (effect.do === 'send') {
        for (const line of text(effect.octets).split('\r\n').slice(0, -1))
          must(SAYABLE.has(line), 'says what it was not told', line);
      } else if (effect.do === 'startTls') machine.secured();
      else {
        ends += 1;
        over = effect.do === 'fail' || effect.do === 'done';
        if (effect.do === 'done')
          must(/^\+OK( |\r\n)/.test(text(effect.reply)), 'a reply that is no +OK', text(effect.reply));
      }
    }
  };
  if (machine.stage === 'handshake') machine.secured();
  step();
  for (const piece of pieces(octets)) {
    if (over) break;
    machine.receive(piece);
    step();
    machine.keep();
    must(unread() <= UPSTREAM_LINE_LIMIT + piece.length, 'keeps more than a line', unread());
  }
  if (!over) {
    machine.closed();
    step();
  }
  return ends;
}

const REPLIES = [
  ...[
    '+OK',
    '+OK ready',
    '+OK ready <1@x>',
    '-ERR',
    '-ERR [AUTH] no',
    '-ERR [IN-USE] no',
    '-ERR [SYS/TEMP] no',
    '+ ',
    '+',
  ],
  ...['[XCLIENT]', '[', '\r\n', '\n', '\r', '\0', '.', '..', ' ', 'x'.repeat(600), 'x'.repeat(2_048)],
];

/** What a mailstore says to a login. The first octet tells what login it is. */
export const upstream: Target = {
  name: 'upstream',
  seeds: [
    '\x00+OK ready\r\n+OK\r\n+OK logged in\r\n',
    '\x01+OK ready\r\n+OK\r\n+OK\r\n+OK logged in\r\n',
    '\x03+OK ready\r\n+OK logged in\r\nrest',
    '\x06+OK ready\r\n+ \r\n+OK\r\n',
    '\x10+OK [XCLIENT] ready\r\n+OK\r\n+OK\r\n+OK\r\n',
    '\x20+OK ready\r\n+OK\r\n+OK logged in\r\n',
    '\x00-ERR [SYS/TEMP] busy\r\n',
    '\x00+OK ready\r\n-ERR [AUTH] no\r\n',
  ],
  words: REPLIES,
  run(input) {
    const kind = input[0] ?? 0;
    const tls = TLS[kind % 3]!;
    const greeting = new UpstreamGreeting(tls);
    const plan: UpstreamPlan = {
      ...{ tls, login: LOGINS[Math.floor(kind / 3) % 3]!, pipelining: (kind & 0x20) !== 0 },
      ...((kind & 0x10) !== 0 && { client: CLIENT }),
    };
    const ends = talk(new UpstreamLogin(plan, greeting), input.subarray(1), () => greeting.lines.unread);
    must(ends === 1, 'ends not once', ends);
  },
};

/** What a mailstore says to CAPA. */
export const inquiry: Target = {
  name: 'inquiry',
  seeds: [
    '\x00+OK ready\r\n+OK list\r\nTOP\r\nUIDL\r\nEXPIRE 3 USER\r\nLOGIN-DELAY 10\r\n.\r\n+OK bye\r\n',
    '\x01+OK ready\r\n+OK\r\n+OK\r\nPIPELINING\r\n.\r\n',
    '\x00+OK ready\r\n-ERR unknown\r\n',
  ],
  words: [
    ...REPLIES,
    'TOP',
    'UIDL',
    'PIPELINING',
    'EXPIRE NEVER',
    'LOGIN-DELAY 900',
    'SASL PLAIN',
    'X\r\n'.repeat(101),
  ],
  run(input) {
    const machine = new UpstreamInquiry(TLS[(input[0] ?? 0) % 3]!);
    const ends = talk(machine, input.subarray(1), () => 0);
    must(ends >= 1 && ends <= 2, 'ends not once or twice', ends);
  },
};
