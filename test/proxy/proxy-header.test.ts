import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32c } from '../../src/proxy/crc32c.ts';
import { HEADER_LIMIT, HeaderReader } from '../../src/proxy/proxy-header.ts';
import {
  address,
  block,
  CHECKSUM,
  INET,
  INET6,
  type Outcome,
  octets,
  read,
  tlv,
  withChecksum,
} from './headers.ts';

/** The same whether it comes whole, octet by octet, or cut in two anywhere. */
function outcome(header: Uint8Array | string, behind = ''): Outcome {
  const all = Buffer.concat([octets(header), octets(behind)]);
  const whole = read([all]);
  assert.deepEqual(read([...all].map((octet) => Uint8Array.of(octet))), whole, 'octet by octet');
  for (const cut of [1, 5, 6, 13, 14, 15, 16, 17, all.length - 1]) {
    assert.deepEqual(read([all.subarray(0, cut), all.subarray(cut)]), whole, `cut at ${cut}`);
  }
  return whole;
}

/** A header that is taken: what follows is the session's, to the octet. */
function taken(header: Uint8Array | string, remote: string, local: string): void {
  for (const unread of ['', 'U', 'USER john\r\n', '\r\n\r\n\0', 'PROXY UNKNOWN\r\n']) {
    assert.deepEqual(outcome(header, unread), { remote, local, unread });
  }
}

const own = (header: Uint8Array | string) => taken(header, 'own', 'own');

describe('a header of version 1', () => {
  test('tells both ends', () => {
    taken('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n', '192.168.0.1 56324', '192.168.0.11 443');
    taken('PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n', '255.255.255.255 65535', '0.0.0.0 0');
    taken('PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 1 995\r\n', '2001:db8::1 1', '2001:db8::2 995');
    const longest = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
    taken(`PROXY TCP6 ${longest} ${longest} 65535 65535\r\n`, `${longest} 65535`, `${longest} 65535`);
    taken('PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c000:202 1 2\r\n', '192.0.2.1 1', '192.0.2.2 2');
  });

  test('that is UNKNOWN keeps the addresses of the socket, whatever else it says', () => {
    own('PROXY UNKNOWN\r\n');
    own('PROXY UNKNOWN \r\n');
    own('PROXY UNKNOWN ffff::1 anything at all \0 65535 65536\r\n');
    own(`PROXY UNKNOWN ${'x'.repeat(107 - 'PROXY UNKNOWN \r\n'.length)}\r\n`);
  });

  test('ends within 107 octets', () => {
    assert.equal(outcome(`PROXY UNKNOWN ${'x'.repeat(108 - 'PROXY UNKNOWN \r\n'.length)}\r\n`), 'too-long');
    assert.equal(outcome('PROXY TCP4 '.padEnd(107, '1')), 'too-long');
    assert.equal(outcome('PROXY TCP4 '.padEnd(106, '1')), 'partial');
  });

  test('that is cut short is waited for', () => {
    const header = 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n';
    for (let length = 1; length < header.length; length++)
      assert.equal(outcome(header.slice(0, length)), 'partial');
  });

  for (const line of [
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n',
    'PROXY UNKNOWN\n',
    'PROXY UNKNOWN a\nb\r\n',
    'PROXY UNKNOWNX\r\n',
    'PROXY unknown\r\n',
    'PROXY \r\n',
    'PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2\r\n',
    'PROXY TCP4 192.0.2.1 2001:db8::1 1 2\r\n',
    'PROXY TCP4 2001:db8::1 192.0.2.1 1 2\r\n',
    'PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n',
    'PROXY TCP4 0xc0000201 192.0.2.2 1 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n',
    'PROXY TCP6 2001:db8::1%eth0 2001:db8::2 1 2\r\n',
    'PROXY TCP6 2001:db8:::1 2001:db8::2 1 2\r\n',
    'PROXY TCP6 1::2::3 2001:db8::2 1 2\r\n',
    'PROXY TCP6 12345::1 2001:db8::2 1 2\r\n',
    'PROXY TCP6 1:2:3:4:5:6:7 2001:db8::2 1 2\r\n',
    'PROXY TCP6 1:2:3:4:5:6:7:8:9 2001:db8::2 1 2\r\n',
    'PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n',
  ]) {
    test(`is not ${JSON.stringify(line)}`, () => assert.equal(outcome(line, 'behind'), 'malformed'));
  }
});

describe('what begins as no header', () => {
  for (const first of [
    'proxy UNKNOWN\r\n',
    'PROXY\tUNKNOWN\r\n',
    'PROXYUNKNOWN\r\n',
    'USER john\r\n',
    'GET / HTTP/1.1\r\n',
    '\x16\x03\x01\x02\0',
    '\r\nPROXY UNKNOWN\r\n',
    '\r\n\r\n\0\r\nQUIT\r',
    '\0',
  ]) {
    test(JSON.stringify(first), () => assert.equal(outcome(first, 'behind'), 'no-header'));
  }

  test('is refused at the first octet that is wrong', () => {
    const reader = new HeaderReader();
    assert.equal(reader.read(octets('PRO')).state, 'partial');
    assert.deepEqual(reader.read(octets('T')), { state: 'fault', fault: 'no-header' });
  });
});

const V4 = address('192.0.2.1', '192.0.2.2', 4711, 995);
const V6 = address('2001:db8::1', '2001:db8::2', 65_535, 1);

describe('a header of version 2', () => {
  test('tells both ends', () => {
    taken(block(0x21, INET, V4), '192.0.2.1 4711', '192.0.2.2 995');
    taken(block(0x21, INET6, V6), '2001:db8::1 65535', '2001:db8::2 1');
    taken(
      block(0x21, INET6, address('::ffff:192.0.2.1', '2001:db8::2', 1, 2)),
      '192.0.2.1 1',
      '2001:db8::2 2',
    );
  });

  test('that is LOCAL keeps the addresses of the socket, its block skipped unread', () => {
    own(block(0x20, 0, ''));
    own(block(0x20, INET, V4));
    own(block(0x20, 0xff, 'anything \r\n at all'));
    own(block(0x20, INET, Buffer.concat([V4, tlv(CHECKSUM, 'oops')])));
  });

  test('of a family or protocol that has no TCP addresses keeps those of the socket', () => {
    own(block(0x21, 0x00, ''));
    own(block(0x21, 0x00, 'skipped by its length'));
    own(block(0x21, 0x10, V4));
    own(block(0x21, 0x01, ''));
    own(block(0x21, 0x12, V4));
    own(block(0x21, 0x22, V6));
    own(block(0x21, 0x31, Buffer.alloc(216, 'u')));
    own(block(0x21, 0x32, Buffer.concat([Buffer.alloc(216, 'u'), tlv(4, 'x')])));
  });

  test('has TLVs that are skipped by their length', () => {
    const tlvs = [
      tlv(0x01, 'pop3'),
      tlv(0x04, ''),
      tlv(0x20, '\x01\0\0\0\0!\0\x07TLSv1.3'),
      tlv(0xea, 'vpce-1'),
    ];
    taken(block(0x21, INET, Buffer.concat([V4, ...tlvs])), '192.0.2.1 4711', '192.0.2.2 995');
    const room = HEADER_LIMIT - block(0x21, INET, V4).length - tlv(4, '').length;
    taken(
      block(0x21, INET, Buffer.concat([V4, tlv(4, 'n'.repeat(room))])),
      '192.0.2.1 4711',
      '192.0.2.2 995',
    );
  });

  test('has a checksum that is right, if it has one', () => {
    // RFC 3720, B.4: the standard's own example.
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    for (const [family, addresses] of [
      [INET, V4],
      [INET6, V6],
    ] as const) {
      const right = withChecksum(family, Buffer.concat([addresses, tlv(0x02, 'mail.test')]), tlv(4, 'pad'));
      assert.equal(typeof outcome(right), 'object');
      const typeOfChecksum = 16 + addresses.length + tlv(0x02, 'mail.test').length;
      for (let at = 16; at < right.length; at++) {
        if (at === typeOfChecksum) continue;
        const wrong = Buffer.from(right);
        wrong[at]! ^= 0x01;
        assert.equal(typeof read([wrong]), 'string', `bit of octet ${at} turned`);
      }
    }
    const bare = (value: string) => block(0x21, INET, Buffer.concat([V4, tlv(CHECKSUM, value)]));
    assert.equal(outcome(bare('\0\0\0\0')), 'wrong-checksum');
    assert.equal(outcome(bare('\0\0\0')), 'malformed');
    assert.equal(outcome(bare('\0\0\0\0\0')), 'malformed');
  });

  test('that is cut short is waited for', () => {
    const header = block(0x21, INET6, Buffer.concat([V6, tlv(1, 'pop3')]));
    for (let length = 1; length < header.length; length++)
      assert.equal(outcome(header.subarray(0, length)), 'partial');
  });

  const REFUSED: Record<string, [Uint8Array, string]> = {
    'version 1': [block(0x11, INET, V4), 'unknown-version'],
    'version 3': [block(0x31, INET, V4), 'unknown-version'],
    'an unassigned command': [block(0x22, INET, V4), 'malformed'],
    'an unassigned family': [block(0x21, 0x41, V4), 'malformed'],
    'an unassigned protocol': [block(0x21, 0x13, V4), 'malformed'],
    'addresses cut short': [block(0x21, INET, V4.subarray(1)), 'malformed'],
    'IPv6 addresses cut short': [block(0x21, INET6, V4), 'malformed'],
    'UNIX addresses cut short': [block(0x21, 0x31, Buffer.alloc(215)), 'malformed'],
    'no addresses': [block(0x21, INET, ''), 'malformed'],
    'a TLV without its length': [block(0x21, INET, Buffer.concat([V4, Buffer.from('\x04\0')])), 'malformed'],
    'a TLV that is longer than all': [
      block(0x21, INET, Buffer.concat([V4, Buffer.from('\x04\0\x02x')])),
      'malformed',
    ],
    'a block over the bound': [block(0x21, INET, Buffer.alloc(HEADER_LIMIT - 15)), 'too-long'],
    'a LOCAL block over the bound': [block(0x20, 0, Buffer.alloc(65_535)), 'too-long'],
  };
  for (const [what, [header, fault]] of Object.entries(REFUSED)) {
    test(`is refused with ${what}`, () => assert.equal(outcome(header, 'behind'), fault));
  }

  test('too long is refused by its length alone', () => {
    assert.equal(outcome(block(0x21, INET, Buffer.alloc(65_535)).subarray(0, 16)), 'too-long');
  });
});
