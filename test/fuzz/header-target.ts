import { parseAddress } from '../../src/proxy/ip-address.ts';
import { HEADER_LIMIT, HeaderReader, type HeaderReading } from '../../src/proxy/proxy-header.ts';
import { must, pieces, type Target } from './target.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const IPV4 = '\xc0\0\x02\x01\xc0\0\x02\x02\x12\x67\0\x6e';

function read(segments: readonly Uint8Array[]): { reading: HeaderReading; behind: number } {
  const reader = new HeaderReader();
  let reading: HeaderReading = { state: 'partial' };
  let left = segments.reduce((sum, { length }) => sum + length, 0);
  for (const segment of segments) {
    left -= segment.length;
    reading = reader.read(segment);
    must(reader.held <= HEADER_LIMIT, 'holds more than a header', reader.held);
    if (reading.state !== 'partial') break;
  }
  const behind = reading.state === 'whole' ? reading.unread.length + left : 0;
  return { reading, behind };
}

/** PROXY headers of both versions, with what comes behind them. */
export const header: Target = {
  name: 'header',
  seeds: [
    'PROXY TCP4 192.0.2.1 192.0.2.2 4711 110\r\nCAPA\r\n',
    'PROXY TCP6 2001:db8::1 ::1 4711 110\r\n',
    'PROXY UNKNOWN\r\n',
    `${SIGNATURE}\x21\x11\0\x0c${IPV4}NOOP\r\n`,
    `${SIGNATURE}\x20\0\0\0NOOP\r\n`,
    `${SIGNATURE}\x21\x21\0\x24${'\x20\x01\x0d\xb8'.padEnd(16, '\0').repeat(2)}\x12\x67\0\x6e`,
    `${SIGNATURE}\x21\x11\0\x13${IPV4}\x03\0\x04\0\0\0\0`,
    `${SIGNATURE}\x21\x11\0\x11${IPV4}\x05\0\x02ab`,
    `${SIGNATURE}\x21\x31\0\xd8${'/'.padEnd(216, '\0')}`,
  ],
  words: [
    ...[
      'PROXY ',
      'TCP4 ',
      'TCP6 ',
      'UNKNOWN',
      '192.0.2.1',
      '::ffff:192.0.2.1',
      '2001:db8::1',
      ' 0',
      ' 65535',
      '\r\n',
    ],
    ...[
      SIGNATURE,
      '\x21\x11',
      '\x20\0',
      '\x21\x21',
      '\0\x0c',
      '\x03\0\x04',
      '\x04\0\x01',
      '\xff\xff',
      '\0\0\0\0',
      IPV4,
    ],
  ],
  run(input) {
    const whole = read([input]);
    const cut = read(pieces(input));
    const single = read(Array.from(input, (octet) => Uint8Array.of(octet)));
    for (const other of [cut, single]) {
      must(other.behind === whole.behind, 'another rest when it is cut', [whole.behind, other.behind]);
      must(shown(other.reading) === shown(whole.reading), 'differs when it is cut', [whole, other]);
    }
    const { reading } = whole;
    if (reading.state !== 'whole') return;
    must(reading.length + whole.behind === input.length, 'octets lost behind the header', reading.length);
    for (const end of reading.ends === null ? [] : [reading.ends.remote, reading.ends.local]) {
      must(parseAddress(end.address) !== null, 'no address', end);
      must(end.port >= 0 && end.port <= 65_535, 'no port', end);
    }
  },
};

function shown(reading: HeaderReading): string {
  if (reading.state === 'fault') return reading.fault;
  return reading.state === 'whole' ? JSON.stringify([reading.length, reading.ends]) : 'partial';
}
