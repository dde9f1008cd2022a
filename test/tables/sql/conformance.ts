/** What holds for a table of either database, shown against the real server. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stringify } from 'yaml';
import { createPasswordTools } from '../../../src/auth/password-tools.ts';
import type { CommandIo } from '../../../src/cli/io.ts';
import { lookup } from '../../../src/cli/lookup.ts';
import { sync } from '../../../src/cli/sync.ts';
import { compileDomains, readPasswordFile } from '../../../src/tables/sources/compile.ts';
import { FileStore } from '../../../src/tables/sources/file-store.ts';
import type { ReadRows } from '../../../src/tables/sql/read.ts';
import type { PasswordRow } from '../../../src/tables/teapop/password-file.ts';
import { heapInUse } from '../../support/heap.ts';
import { pause } from '../../support/ports.ts';
import { dumpRedis } from '../../support/redis.ts';
import { CHEAP, countingTools } from '../../support/site.ts';
import { READER, type SqlDatabase, type SqlSite, sqlSite } from '../../support/sql-site.ts';

export type Database = SqlDatabase & {
  read: ReadRows;
  /** An octet string as a value. */
  literal(octets: string): string;
  /** Inserts users u1 … uN with the password p1 … and a mailbox of `octets` octets. */
  many(count: number, octets: number): string;
};

const MANY = 200_000;
/** Octets of a mailbox, close to the most that are read. */
const WIDE = 900;
/** In octets. The rows are more than 180 MB together; a process that keeps none of them has some batches. */
const GROWTH = 60 * 1024 * 1024;
/** For tests that move whole tables or start servers anew, on a busy machine. */
const LONG = { timeout: 180_000 };
/** Rows of WIDE octets that no buffer between the server and the process holds. */
const BEYOND_BUFFERS = 20_000;

/** The config of a site whose tables are in its Redis. */
function configFile({ site, redis, files }: SqlSite, tables: object): string {
  const settings = {
    listeners: [{ name: 'pop3', address: '127.0.0.1', port: 110, tls: 'off', plaintext_auth: 'always' }],
    tables: { domain_table: files.domainTable, ...tables },
    redis: { port: redis.port, prefix: 'test' },
    passwords: {
      argon2: { memory: '8MiB', time: 1 },
      fingerprint_key_file: `${site.path}/state/fingerprint.key`,
    },
    upstreams: [{ name: 'mailstore', host: '127.0.0.1', port: 1110 }],
  };
  return site.write('config.yaml', stringify(settings));
}

export function conforms(database: Database): SqlSite {
  const it = sqlSite(database);
  const values = (rows: readonly (readonly string[])[]) =>
    rows.map((row) => `(${row.map(database.literal).join(', ')})`).join(', ');
  const insert = (...rows: string[][]) =>
    it.server.sql(`INSERT INTO users (login, secret, box) VALUES ${values(rows)};`, 'mail');

  describe('a published table', () => {
    test('decides logins', async () => {
      await insert(
        ['john', 'j04n4CmE', 'johnacme'],
        ['jane', 'pass word', ''],
        ['abs', 'x', '/var/mail/abs'],
      );
      await it.server.sql("INSERT INTO users (login, secret, box) VALUES ('nopass', NULL, 'x');", 'mail');
      await it.server.sql("INSERT INTO users (login, secret, box) VALUES ('nobox', 'y', NULL);", 'mail');
      const { report, diagnostics } = await it.sync();
      assert.deepEqual([report.users, report.hashed, report.added], [4, 4, 4]);
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['null-password'],
      );
      assert.equal(await it.login('john@acme.com', 'j04n4CmE'), '/m/johnacme');
      assert.equal(await it.login('jane%ACME.com', 'pass word'), '/m/jane', 'a blank mailbox is the userid');
      assert.equal(await it.login('abs@acme.com', 'x'), '/m/var/mail/abs');
      assert.equal(await it.login('nobox@acme.com', 'y'), '/m/nobox');
      const wrong: [user: string, password: string][] = [
        ['john', 'J04n4CmE'],
        ['jane', ''],
        ['nopass', ''],
        ['nopass', 'NULL'],
        ['jack', 'x'],
      ];
      for (const [user, password] of wrong) {
        assert.equal(await it.login(`${user}@acme.com`, password), 'rejected', user);
      }
    });

    test('without a column for it, has the userid for a mailbox', async () => {
      await insert(['john', 'one', 'johnacme']);
      it.serve(it.line({ columns: 'login:secret:' }));
      await it.sync();
      assert.equal(await it.login('john@acme.com', 'one'), '/m/john');
    });

    test('that did not change writes nothing, and a changed row is hashed alone', async () => {
      await insert(['john', 'one', 'a'], ['jane', 'two', 'b'], ['jack', 'three', 'c']);
      await it.sync();
      const found = await dumpRedis(it.link);
      // The same rows in another order of writing.
      await it.server.sql("UPDATE users SET box = 'x' WHERE login = 'john';", 'mail');
      await it.server.sql("UPDATE users SET box = 'a' WHERE login = 'john';", 'mail');
      const { report } = await it.sync();
      assert.equal(report.published, false);
      assert.equal(await dumpRedis(it.link), found);
      const tools = countingTools();
      await it.server.sql("UPDATE users SET secret = 'new' WHERE login = 'jane';", 'mail');
      await it.server.sql("DELETE FROM users WHERE login = 'jack';", 'mail');
      const after = (await it.sync({ passwords: tools, force: true })).report;
      assert.deepEqual([after.added, after.changed, after.removed, tools.hashed], [0, 1, 1, ['new']]);
      assert.equal(await it.login('jane@acme.com', 'new'), '/m/b');
      assert.equal(await it.login('jane@acme.com', 'two'), 'rejected');
      assert.equal(await it.login('jack@acme.com', 'three'), 'rejected');
    });

    test('that holds a userid twice, serves its first row alone', async () => {
      await insert(['john', 'zzz', 'first'], ['john', 'aaa', 'second']);
      const { diagnostics } = await it.sync();
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['duplicate'],
      );
      assert.equal(await it.login('john@acme.com', 'zzz'), '/m/first');
      assert.equal(await it.login('john@acme.com', 'aaa'), 'rejected');
    });

    test('keeps every octet of names and passwords', async () => {
      const octets = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).join('');
      // What no login can carry or what divides one; MySQL takes a letter for its small one.
      const sendable = octets.replace(/[\r\n@% A-Z]/g, '');
      const rows = [
        [sendable, octets.replace(/[\r\n]/g, ''), '/box'],
        ["o'hara", `'";--\\`, 'q'],
        ['back\\slash', '\\', 'b'],
        ['\xe9t\xe9', '\xff\xfe', '\xe0\xe9'],
        ['utf\xc3\xa9', '\xc3\xa9', 'u'],
        ['`$y`', '$$', 'd'],
      ];
      await insert(...rows);
      await it.sync();
      const fromFiles = await FileStore.open(it.files);
      for (const [user, password, box] of rows as [string, string, string][]) {
        const path = box.startsWith('/') ? `/m${box}` : `/m/${box}`;
        assert.equal(await it.login(`${user}@acme.com`, password), path, user);
        assert.equal(
          await it.login(`${user}@acme.com`, password, fromFiles),
          path,
          `${user}, read by the proxy`,
        );
        assert.equal(await it.login(`${user}@acme.com`, `${password}x`), 'rejected', user);
      }
      await fromFiles.close();
    });

    test('is read by the commands, unless the config says no', async () => {
      await insert(['john', 'one', 'johnacme']);
      const run = async (command: typeof sync, tables: object, ...args: string[]) => {
        let shown = '';
        const write = (text: string) => {
          shown += text;
        };
        const io: CommandIo = { env: {}, out: write, err: write };
        const status = await command(['--config', configFile(it, tables), ...args], io);
        assert.ok(!shown.includes(READER.password), shown);
        return `${status} ${shown}`;
      };
      assert.match(await run(sync, {}), /^0 [\s\S]*1 users in 1 password tables/);
      assert.equal(await it.login('john@acme.com', 'one'), '/m/johnacme');
      const found = await run(lookup, {}, 'john@acme.com');
      assert.match(found, /^0 [\s\S]*johnacme/);
      assert.match(found, new RegExp(`${database.dialect}://127\\.0\\.0\\.1:\\d+/mail/users`));
      const without = await run(sync, { sql: false }, '--force');
      assert.match(without, /type (?:mysql|pgsql) is not read from here/);
      assert.equal(await it.login('john@acme.com', 'one'), 'rejected');
    });

    test('leaves the database password nowhere', async () => {
      await insert(['john', 'one', 'a']);
      const result = await it.sync();
      const compiled = await compileDomains(it.files);
      const shown = [await dumpRedis(it.link), JSON.stringify(result), JSON.stringify(compiled)].join();
      assert.ok(shown.includes(READER.user) || shown.includes('mail/users'));
      assert.ok(!shown.includes(READER.password));
    });
  });

  describe('a name that is meant to break out', () => {
    const attacks: [field: 'table' | 'columns', written: string][] = [
      ['table', 'users WHERE 1=1 --'],
      ['table', 'users"--'],
      ['table', 'users`--'],
      ['table', "users' OR ''='"],
      ['table', '(SELECT 1 AS login, 2 AS secret, 3 AS box) x'],
      ['columns', 'login:secret, box FROM users --:box'],
      ['columns', `login" = '' OR "login:secret:box`],
      ['columns', 'login` = `login:secret:box'],
      ['columns', 'login:pg_sleep(9):box'],
      ['columns', 'login:"secret" || "box:box'],
    ];

    test('names nothing, and the table is as it was', async () => {
      await insert(['john', 'one', 'a']);
      for (const [field, written] of attacks) {
        it.serve(it.line({ [field]: written }));
        const { report, diagnostics } = await it.sync({ force: true });
        assert.equal(report.users, 0, written);
        assert.deepEqual(
          diagnostics.map(({ code }) => code),
          ['database-missing'],
          written,
        );
      }
      assert.equal(await it.server.sql('SELECT login, secret FROM users;', 'mail'), 'john\tone\n');
    });

    test('is found where a table is called so', async () => {
      const mark = database.dialect === 'mysql' ? '`' : '"';
      const quoted = (name: string) => mark + name.replaceAll(mark, mark + mark) + mark;
      const names = ['a"b`c\'d e', 'log"in`', "sec'ret --", 'b(o)x'];
      const [table, ...columns] = names.map(quoted);
      const columnList = columns.map((column) => `${column} varchar(99)`).join(', ');
      await it.server.sql(
        `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (${columnList}); INSERT INTO ${table} VALUES ('john', 'one', 'a');`,
        'mail',
      );
      it.serve(it.line({ table: names[0]!, columns: names.slice(1).join(':') }));
      await it.sync();
      assert.equal(await it.login('john@acme.com', 'one'), '/m/a');
    });
  });

  describe('what goes wrong', () => {
    const wrong = async (fields: Parameters<SqlSite['line']>[0], code: string, ...words: RegExp[]) => {
      it.serve('other.org:*:reject:', it.line(fields));
      const { diagnostics, report } = await it.sync({ force: true });
      assert.equal(report.users, 0);
      const [found, ...more] = diagnostics;
      assert.deepEqual(more, []);
      assert.deepEqual([found?.severity, found?.file, found?.line], ['error', it.files.domainTable, 2]);
      assert.equal(found?.code, code);
      for (const word of [/127\.0\.0\.1' port \d+/, ...words]) {
        assert.match(`${found?.reason}; ${found?.cure}`, word);
      }
      assert.ok(!JSON.stringify(diagnostics).includes(READER.password));
    };

    test('is told with line, host, database and cure', async () => {
      await wrong({ password: 'wrong' }, 'database-unreadable', /'mail'/, /'reader'/, /<dbpass>/);
      await wrong({ user: 'nobody' }, 'database-unreadable', /'nobody'/, /<dbuser>/);
      await wrong(
        { database: 'nodb' },
        /mysql/.test(database.dialect) ? 'database-unreadable' : 'database-missing',
        /'nodb'/,
      );
      await wrong({ table: 'nousers' }, 'database-missing', /'nousers'/, /<table>/);
      await wrong({ columns: 'login:nopass:box' }, 'database-missing', /'nopass'/, /<passcol>/);
      await wrong({ port: '1' }, 'database-unreadable', /cannot be reached/, /<port>/);
      await it.server.sql(
        `DROP TABLE users; CREATE TABLE ${database.dialect === 'mysql' ? 'mysql.' : ''}secrets (a int);`,
        'mail',
      );
      await wrong({}, 'database-missing', /'users'/);
    });

    test('keeps what is published, and says so', LONG, async () => {
      await insert(['john', 'one', 'a']);
      await it.sync();
      const found = await dumpRedis(it.link);
      const refused = async (pattern: RegExp) => {
        await assert.rejects(it.sync(), (error: Error) => {
          assert.equal(error.name, 'SyncRefused');
          assert.match(error.message, pattern);
          assert.ok(!error.message.includes(READER.password));
          return true;
        });
        assert.equal(await dumpRedis(it.link), found);
        assert.equal(await it.login('john@acme.com', 'one'), '/m/a');
      };
      await it.server.sql('ALTER TABLE users RENAME TO moved;', 'mail');
      await refused(/teapop\.passwd:1: .*database 'mail' at '127\.0\.0\.1'.*'users'.* 1 published users/);
      await it.server.sql('ALTER TABLE moved RENAME TO users;', 'mail');
      const fromFiles = await FileStore.open(it.files);
      await it.server.kill9();
      await refused(/cannot be reached/);
      await assert.rejects(FileStore.open(it.files), /cannot be reached/);
      await assert.rejects(fromFiles.reload(), /cannot be reached/);
      assert.equal(await it.login('john@acme.com', 'one', fromFiles), '/m/a');
      await fromFiles.close();
      await it.server.restart();
      assert.equal((await it.sync()).report.published, false);
    });
  });

  describe('a large table', () => {
    test('is read in bounded memory, however slowly it is taken', LONG, async () => {
      await it.server.sql(database.many(MANY, WIDE), 'mail');
      const { passwordFiles } = await compileDomains(it.files);
      let rows = 0;
      let batches = 0;
      let largest = 0;
      let peak = 0;
      const start = heapInUse();
      const onRows = async (some: PasswordRow[]) => {
        rows += some.length;
        largest = Math.max(largest, some.length);
        if (++batches % 10 !== 0) return;
        await pause(1);
        peak = Math.max(peak, heapInUse() - start);
      };
      const { fault } = await readPasswordFile(it.files, passwordFiles[0]!, { onRows });
      assert.deepEqual([fault, rows], [null, MANY]);
      assert.ok(largest <= 1_000);
      assert.ok(peak < GROWTH, `grew by ${peak} octets`);
    });

    test('of a server that falls silent is given up', LONG, async () => {
      await it.server.sql(database.many(BEYOND_BUFFERS, WIDE), 'mail');
      const { passwordFiles } = await compileDomains(it.files);
      const batches = database.read(passwordFiles[0]!.sql!, () => {}, 2_000);
      assert.equal((await batches.next()).done, false);
      it.server.freeze();
      try {
        await assert.rejects(async () => {
          for await (const batch of batches) assert.ok(batch.length > 0);
        }, /time/i);
      } finally {
        it.server.thaw();
      }
    });

    test('is read as it was at one moment, whatever others write', LONG, async () => {
      await it.server.sql(database.many(5_000, WIDE), 'mail');
      const { passwordFiles } = await compileDomains(it.files);
      const rows: PasswordRow[] = [];
      const onRows = async (some: PasswordRow[]) => {
        if (rows.length === 0) {
          const others = "UPDATE users SET secret = 'other'; DELETE FROM users WHERE box LIKE '%7x%';";
          const more = `INSERT INTO users (login, secret, box) VALUES ('zz', 'late', 'z'), ('aa', 'late', 'a');`;
          await it.server.sql(others + more, 'mail');
        }
        rows.push(...some);
      };
      await readPasswordFile(it.files, passwordFiles[0]!, { onRows });
      assert.equal(rows.length, 5_000);
      assert.ok(rows.every((row) => row.type === 'textfile' && /^p\d+$/.test(row.password)));
    });

    test('whose server dies in the middle changes nothing', LONG, async () => {
      await insert(['u1', 'one', 'a']);
      await it.sync();
      const found = await dumpRedis(it.link);
      // Far more than the sockets between hold.
      await it.server.sql(database.many(BEYOND_BUFFERS, WIDE), 'mail');
      let hashed = 0;
      const hash = async () => {
        if (++hashed === 300) await it.server.kill9();
        return '$argon2id$v=19$m=8192,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo';
      };
      await assert.rejects(
        it.sync({ passwords: { ...createPasswordTools(CHEAP, null), hash } }),
        (error: Error) => {
          assert.equal(error.name, 'SourceUnreadable');
          assert.match(error.message, /database 'mail' at '127\.0\.0\.1'.*broke off/);
          return true;
        },
      );
      assert.ok(hashed < BEYOND_BUFFERS, `${hashed} rows were read`);
      assert.equal(await dumpRedis(it.link), found);
      assert.equal(await it.login('u1@acme.com', 'one'), '/m/a');
      await it.server.restart();
    });
  });

  return it;
}
