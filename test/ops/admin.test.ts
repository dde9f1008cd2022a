import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { type Admin, startAdmin } from '../../src/ops/admin.ts';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

let admin: Admin;
let reasons: string[] = [];
let failing = false;

before(async () => {
  admin = await start();
});
after(() => admin.close());

function start(port = 0): Promise<Admin> {
  return startAdmin({
    address: '127.0.0.1',
    port,
    timeout: 500,
    readiness() {
      if (failing) throw new Error('secret detail');
      return reasons;
    },
    metrics: {
      contentType: CONTENT_TYPE,
      async text() {
        if (failing) throw new Error('secret detail');
        return 'metric_ü 1\n';
      },
    },
  });
}

const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${admin.port}${path}`, { method });

/** Sends octets and reads until the other side closes. */
function exchange(octets: string, port = admin.port): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(octets, 'latin1'));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

test('alive while it answers', async () => {
  const response = await get('/livez');
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'alive\n');
});

test('ready, or 503 with every reason on a line', async () => {
  assert.deepEqual([(await get('/readyz')).status, await (await get('/readyz')).text()], [200, 'ready\n']);
  reasons = ['draining', 'tables not usable'];
  const response = await get('/readyz');
  assert.deepEqual([response.status, await response.text()], [503, 'draining\ntables not usable\n']);
  reasons = [];
  assert.equal((await get('/readyz?verbose=1')).status, 200);
});

test('metrics come with the type that Prometheus wants and their length in octets', async () => {
  const response = await get('/metrics');
  assert.equal(response.headers.get('content-type'), CONTENT_TYPE);
  assert.equal(response.headers.get('content-length'), '12');
  assert.equal(await response.text(), 'metric_ü 1\n');
});

test('the index names the pages', async () => {
  assert.match(await (await get('/')).text(), /\/livez[\s\S]*\/readyz[\s\S]*\/metrics/);
});

test('HEAD has the headers alone', async () => {
  const answer = await exchange('HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 200 [\s\S]*Content-Length: 12\r\n[\s\S]*\r\n\r\n$/);
});

test('unknown pages and methods', async () => {
  for (const path of ['/metricsx', '/livez/', '/..%2flivez']) {
    assert.equal((await get(path)).status, 404, path);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const response = await get('/readyz', method);
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, HEAD'], method);
  }
});

test('a failure inside is a 500 without detail, and the next request is served', async () => {
  failing = true;
  for (const path of ['/readyz', '/metrics']) {
    const response = await get(path);
    assert.deepEqual([response.status, await response.text()], [500, 'internal error\n']);
  }
  assert.equal((await get('/livez')).status, 200);
  failing = false;
});

test('one request a connection', async () => {
  const twice = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2);
  assert.equal((await exchange(twice)).match(/HTTP\/1\.1 200/g)?.length, 1);
});

test('rubbish ends its own connection only', async () => {
  for (const rubbish of ['\x16\x03\x01\x02\0\x01\0', 'USER john\r\nPASS x\r\n', 'GET / HTTP/9.9\r\n\r\n']) {
    assert.doesNotMatch(await exchange(`${rubbish}\r\n\r\n`), /HTTP\/1\.1 200/);
  }
  const endless = `GET / HTTP/1.1\r\nHost: x\r\n${`X: ${'y'.repeat(1_000)}\r\n`.repeat(200)}\r\n`;
  assert.doesNotMatch(await exchange(endless), /HTTP\/1\.1 200/);
  assert.equal((await get('/livez')).status, 200);
});

test('a request that does not come to its end is closed', { timeout: 10_000 }, async () => {
  const begun = performance.now();
  await exchange('GET /livez HTT');
  const lasted = performance.now() - begun;
  assert.ok(lasted > 400 && lasted < 4_000, `${lasted}`);
});

test('a port in use is an error with its code', async () => {
  await assert.rejects(start(admin.port), { code: 'EADDRINUSE' });
});

test('close ends half-sent requests at once and frees the port', async () => {
  const own = await start();
  const hanging = exchange('GET /livez HTT', own.port);
  await exchange('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n', own.port);
  await own.close();
  assert.doesNotMatch(await hanging, /200/);
  const successor = createServer();
  await new Promise<void>((resolve, reject) => {
    successor.on('error', reject);
    successor.listen(own.port, '127.0.0.1', resolve);
  });
  await new Promise((resolve) => successor.close(resolve));
});
