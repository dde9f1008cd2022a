import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { atoi, inetAton } from '../../../src/tables/teapop/c-text.ts';
import { sha256, tableId } from '../../../src/tables/teapop/table-id.ts';

test('atoi reads what stands in front, as C does', () => {
  const cases: Record<string, number> = {
    '': 0,
    ten: 0,
    '10': 10,
    '010': 10,
    '0x10': 0,
    ' \t\n\v\f\r+7rest': 7,
    '\xa07': 0,
    '-3': -3,
    '--3': 0,
    '+ 3': 0,
    '1e3': 1,
    '2147483647': 2_147_483_647,
    '2147483648': -2_147_483_648,
    '4294967297': 1,
    '99999999999999999999': -1,
    '-99999999999999999999': 0,
  };
  for (const [text, value] of Object.entries(cases)) assert.equal(atoi(text), value, JSON.stringify(text));
});

test('inet_aton takes one to four parts, octal ones too', () => {
  const cases: Record<string, string | null> = {
    '192.0.2.7': '192.0.2.7',
    '127.1': '127.0.0.1',
    '10.1.258': '10.1.1.2',
    '2130706433': '127.0.0.1',
    '4294967295': '255.255.255.255',
    '010.011.012.013': '8.9.10.11',
    '0': '0.0.0.0',
    '4294967296': null,
    '1.2.3.256': null,
    '1.256.3.4': null,
    '1.2.65536': null,
    '1.16777216': null,
    '1.2.3.08': null,
    '1..2': null,
    '1.2.3.4.5': null,
    '': null,
    '.': null,
  };
  for (const [text, address] of Object.entries(cases)) assert.equal(inetAton(text), address, text);
});

test('SHA-256 agrees with the runtime, at every length around its blocks', () => {
  for (let length = 0; length <= 200; length++) {
    const octets = Array.from({ length }, (_, i) => String.fromCharCode((i * 37 + length) % 256)).join('');
    assert.equal(
      sha256(octets),
      createHash('sha256').update(octets, 'latin1').digest('hex'),
      `length ${length}`,
    );
  }
});

test('a table is named by its type, path and max, each of them', () => {
  const ids = [
    tableId('textfile', '/etc/acme.passwd', 10),
    tableId('htpasswd', '/etc/acme.passwd', 10),
    tableId('textfile', '/etc/acme.passwd', 1),
    tableId('textfile', '/etc/b.passwd', 10),
    tableId('textfile', '0:/etc/acme.passwd', 1),
  ];
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}c?$/);
  assert.equal(ids[0], tableId('textfile', '/etc/acme.passwd', 10));
});
