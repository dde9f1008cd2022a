import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientNet } from '../../src/auth/client-net.ts';

const CASES: [string, string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['', ''],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:DB8:0001:2::6', '2001:db8:1:2::/64'],
  ['2001:db8::6', '2001:db8:0:0::/64'],
  ['2001:db8::5:6:7:8', '2001:db8:0:0::/64'],
  ['2001:db8:1::5:6:7:8', '2001:db8:1:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::', 'fe80:0:0:0::/64'],
  ['fe80::1:2%eth0', 'fe80:0:0:0::/64'],
  ['1::3:4:5:6:7:8', '1:0:3:4::/64'],
  ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
];

for (const [address, net] of CASES) {
  test(`${JSON.stringify(address)} is of ${JSON.stringify(net)}`, () => {
    assert.equal(clientNet(address), net);
  });
}
