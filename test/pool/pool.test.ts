import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Member, Pool, type PoolServer } from '../../src/pool/pool.ts';

const SETTINGS = { fall: 1, retryMs: 1_000, mostRetryMs: 60_000, loginsTry: false };

const serversOf = (weights: readonly number[]) =>
  weights.map((weight, index) => ({ name: `mail${index + 1}.example.com:110`, weight }));
const pool = (weights: readonly number[], more = {}) =>
  new Pool(serversOf(weights), { ...SETTINGS, ...more }, 0);
const users = (count: number) => Array.from({ length: count }, (_, index) => `user${index}`);

function home(of: Pool<PoolServer>, user: string, now = 0): string | undefined {
  return of.choose(user, [], now)?.server.name;
}

function knockOut(of: Pool<PoolServer>, index: number, now = 0): Member<PoolServer> {
  const member = of.members[index]!;
  member.health.failed(now, null);
  return member;
}

/** How many users each server has. */
function shares(of: Pool<PoolServer>, count: number): number[] {
  const counts = new Map(of.members.map(({ server }) => [server.name, 0]));
  for (const user of users(count)) counts.set(home(of, user)!, counts.get(home(of, user)!)! + 1);
  return [...counts.values()];
}

describe('the choice', () => {
  test('spreads users by the weights', () => {
    const COUNT = 20_000;
    for (const weights of [[1], [1, 1], [100, 100, 100], [1, 2, 3], [256, 1], [5, 0, 5], Array(16).fill(7)]) {
      const sum = weights.reduce((total, weight) => total + weight, 0);
      shares(pool(weights), COUNT).forEach((share, index) => {
        const expected = (COUNT * weights[index]!) / sum;
        // Five times the deviation of a fair coin with that chance.
        const margin = 5 * Math.sqrt(expected);
        assert.ok(Math.abs(share - expected) <= margin, `${weights}: ${share}, not ${expected}`);
      });
    }
  });

  test('is the same in two proxies, in whatever order they list the servers', () => {
    const servers = serversOf([3, 1, 2]);
    const other = new Pool([...servers].reverse(), SETTINGS, 1e6);
    const one = new Pool(servers, SETTINGS, 0);
    for (const user of users(1_000)) assert.equal(home(one, user), home(other, user));
  });

  const WEIGHTS = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 2, maxLength: 8 });
  const USERS = fc.array(fc.string(), { minLength: 1, maxLength: 50 });

  test('moves the users of a server that is down, no other, and gives them back', () => {
    fc.assert(
      fc.property(WEIGHTS, fc.nat(), USERS, (weights, nth, names) => {
        const all = pool(weights);
        const before = names.map((name) => home(all, name));
        const { server, health } = knockOut(all, nth % weights.length);
        names.forEach((name, index) => {
          if (before[index] === server.name) assert.notEqual(home(all, name), server.name);
          else assert.equal(home(all, name), before[index]);
        });
        health.succeeded(1);
        assert.deepEqual(
          names.map((name) => home(all, name)),
          before,
        );
      }),
    );
  });

  test('moves users to a server that is added, or that is given more weight, and nowhere else', () => {
    fc.assert(
      fc.property(WEIGHTS, USERS, (weights, names) => {
        const [first, ...others] = weights as [number, ...number[]];
        const fewer = new Pool(serversOf(weights).slice(1), SETTINGS, 0);
        const heavier = pool([2 * first, ...others]);
        const all = pool(weights);
        const own = all.members[0]!.server.name;
        for (const name of names) {
          if (home(all, name) !== own) assert.equal(home(all, name), home(fewer, name));
          if (home(heavier, name) !== own) assert.equal(home(heavier, name), home(all, name));
        }
      }),
    );
  });

  test('after failures is each other server once, then none', () => {
    fc.assert(
      fc.property(WEIGHTS, fc.string(), (weights, user) => {
        const all = pool(weights);
        const tried: Member<PoolServer>[] = [];
        for (let member = all.choose(user, tried, 0); member !== null; member = all.choose(user, tried, 0))
          tried.push(member);
        assert.equal(new Set(tried).size, weights.length);
      }),
    );
  });
});

describe('a server that is down', () => {
  test('is tried by one login when it is time, where no check does', () => {
    const own = (all: Pool<PoolServer>) => users(100).filter((user) => home(all, user)!.startsWith('mail1'));
    const all = pool([1, 1], { loginsTry: true });
    const [one, another] = own(all) as [string, string];
    const { server, health } = knockOut(all, 0);
    assert.notEqual(home(all, one, 999), server.name);
    assert.equal(home(all, one, 1_000), server.name);
    const trial = health.begin();
    assert.notEqual(home(all, another, 1_000), server.name);
    health.failed(1_000, trial);
    assert.notEqual(home(all, another, 2_999), server.name);
    assert.equal(home(all, another, 3_000), server.name);
  });

  test('is left to the checks where there are any', () => {
    const all = pool([1, 1]);
    const { server } = knockOut(all, 0);
    for (const user of users(100)) assert.notEqual(home(all, user, 1e9), server.name);
  });
});

describe('where all servers are down', () => {
  test('one login at a time tries each, the others are told at once', () => {
    const all = pool([1, 1]);
    const before = home(all, 'john');
    knockOut(all, 0);
    knockOut(all, 1);
    assert.equal(all.up, false);
    const first = all.choose('john', [], 1)!;
    assert.equal(first.server.name, before, "the user's own");
    const trial = first.health.begin();
    const second = all.choose('john', [], 1)!;
    assert.notEqual(second, first);
    second.health.begin();
    assert.equal(all.choose('john', [], 1), null);
    first.health.failed(1, trial);
    assert.equal(all.choose('john', [], 1), first);
    assert.equal(all.choose('john', [first], 1), null);
  });

  test('one of weight 0 that is up leaves none for the users whom no row sends there', () => {
    const all = pool([1, 0]);
    assert.equal(all.up, true);
    knockOut(all, 0);
    assert.equal(all.up, false);
    assert.equal(all.members[1]!.health.up, true);
  });

  test('a login whose server failed goes on to one that is down, when no other is left', () => {
    const all = pool([1, 1]);
    const { server } = knockOut(all, 0);
    const good = all.choose('john', [], 0)!;
    assert.notEqual(good.server, server);
    assert.equal(all.choose('john', [good], 0)?.server, server);
  });
});

describe('a server named by the table', () => {
  test('is the one, of whatever weight, while it is up', () => {
    const all = pool([1, 0]);
    assert.equal(all.find('mail2.example.com:110', []), all.members[1]);
    assert.equal(all.find('mail3.example.com:110', []), 'unknown');
    assert.equal(all.find('mail1.example.com:110', [all.members[0]!]), null, 'it has failed this login');
  });

  test('is tried by one login at a time while it is down, and no other in its place', () => {
    const all = pool([1, 1]);
    const { server, health } = knockOut(all, 0);
    assert.equal(all.find(server.name, []), all.members[0]);
    health.begin();
    assert.equal(all.find(server.name, []), null);
  });
});
