import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../src/proxy/ip-address.ts';
import { writeHeader } from '../../src/proxy/proxy-header-writer.ts';
import { octets, read } from './headers.ts';

describe('whatever comes', () => {
  const start = fc.constantFrom(
    ...['', 'PROXY ', 'PROXY TCP4 ', 'PROXY TCP6 ::', 'PROXY UNKNOWN'],
    '\r\n\r\n\0\r\nQUIT\n\x21',
  );
  const noise = fc.tuple(start, fc.uint8Array({ maxLength: 6000 })).map(([text, more]) => {
    return new Uint8Array(Buffer.concat([octets(text), more]));
  });

  test('a reader never throws, never holds more than a header, and comes to the same in pieces', () => {
    fc.assert(
      fc.property(noise, fc.array(fc.nat(200), { minLength: 1, maxLength: 40 }), (all, cuts) => {
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) {
          pieces.push(all.subarray(at, at + cut));
          at += cut;
        }
        assert.deepEqual(read([...pieces, all.subarray(at)]), read([all]));
      }),
      { numRuns: 2000 },
    );
  });

  const v4 = fc.ipV4();
  const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatAddress);
  const port = fc.nat(65_535);
  const ends = fc
    .tuple(fc.oneof(v4, v6), port, fc.oneof(v4, v6), port)
    .map(([remote, remotePort, local, localPort]) => ({
      remote: { address: remote, port: remotePort },
      local: { address: local, port: localPort },
    }));

  test('what is written is read as it was, of one family or mixed', () => {
    fc.assert(
      fc.property(fc.constantFrom('v1' as const, 'v2' as const), ends, (version, { remote, local }) => {
        const said = (end: { address: string; port: number }) => `${end.address} ${end.port}`;
        const header = writeHeader(version, { remote, local });
        assert.deepEqual(read([header]), { remote: said(remote), local: said(local), unread: '' });
      }),
    );
  });

  test('an address is the same text after its octets, and an invalid one none', () => {
    fc.assert(fc.property(fc.oneof(v4, v6), (text) => formatAddress(parseAddress(text)!) === text));
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const parsed = parseAddress(text);
        assert.equal(parsed?.length, 16, text);
        assert.deepEqual(parseAddress(formatAddress(parsed!))?.slice(-4), parsed!.slice(-4));
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => parseAddress(text) === null || /^[0-9a-f.:]+$/i.test(text)));
  });
});

describe('a header for a mailstore', () => {
  const from = (remote: string, local: string) => ({
    remote: { address: remote, port: 4711 },
    local: { address: local, port: 110 },
  });

  test('is octet for octet that of the standard', () => {
    const latin1 = (header: Uint8Array) => Buffer.from(header).toString('latin1');
    const v4 = from('192.0.2.1', '192.0.2.2');
    assert.equal(latin1(writeHeader('v1', v4)), 'PROXY TCP4 192.0.2.1 192.0.2.2 4711 110\r\n');
    assert.equal(
      latin1(writeHeader('v2', v4)),
      '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x12\x67\0\x6e',
    );
    const v6 = from('2001:db8::1', 'fe80::2%eth0');
    assert.equal(latin1(writeHeader('v1', v6)), 'PROXY TCP6 2001:db8::1 fe80::2 4711 110\r\n');
    assert.deepEqual(writeHeader('v2', v6).subarray(13, 16), Buffer.from('\x21\0\x24', 'latin1'));
    const mixed = from('192.0.2.1', '2001:db8::1');
    assert.equal(latin1(writeHeader('v1', mixed)), 'PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 4711 110\r\n');
  });

  test('says that it knows nothing where there is no address', () => {
    for (const nothing of [from('', '192.0.2.1'), from('192.0.2.1', ''), from('x\r\nUSER y', '192.0.2.1')]) {
      for (const version of ['v1', 'v2'] as const)
        assert.deepEqual(read([writeHeader(version, nothing)]), { remote: 'own', local: 'own', unread: '' });
    }
  });
});
