import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hashOf, scoreOf } from '../../src/pool/hash.ts';

describe('the hash of a name', () => {
  test('is FNV-1a of its octets, as its authors have it', () => {
    const VECTORS: [string, number][] = [
      ['', 0x811c9dc5],
      ['a', 0xe40c292c],
      ['foobar', 0xbf9cf968],
      ['\xff\x00\x00\x01', 0xc48fb86d],
    ];
    for (const [octets, hash] of VECTORS) assert.equal(hashOf(octets), hash, JSON.stringify(octets));
  });
});

describe('the score of a user at a server', () => {
  test('is the same for all versions: with another one every user of a site would move', () => {
    const scores = ['johnacme', 'janeacme', 'otto'].map((user) =>
      ['mail1.example.com:110', 'mail2.example.com:110', 'mail3.example.com:995'].map((server) =>
        scoreOf(hashOf(user), hashOf(server), 100).toFixed(6),
      ),
    );
    assert.deepEqual(scores, [
      ['259.667447', '139.525020', '39.678923'],
      ['79.682696', '127.791430', '207.227272'],
      ['198.209533', '83.294882', '420.569035'],
    ]);
  });

  test('is finite and above 0, whatever the hashes', () => {
    const hash = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(hash, hash, fc.integer({ min: 1, max: 1000 }), (user, server, weight) => {
        const score = scoreOf(user, server, weight);
        assert.ok(score > 0 && Number.isFinite(score), String(score));
      }),
    );
  });
});
