/** The cases about a header in front of the TLS handshake, with the ClientHello behind it in the same segment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, Transport } from '../../src/transport/transport.ts';
import { ascii, digestOf, Pump } from './octets.ts';
import { python } from './peers.ts';
import { onStage, type Probe, type StageOptions, type Tls } from './probe.ts';

const HEADER = 'PROXY UNKNOWN\r\n';
const A_WHILE = 50;
const MIB = 1_048_576;
const ENDS = {
  remote: { address: '192.0.2.7', port: 4711 },
  local: { address: '2001:db8::1', port: 995 },
};

/** Takes the header off and hands the handshake what came behind it. */
function headerServer(tls: NonNullable<Tls>, behind: (server: Probe) => void = () => {}): StageOptions {
  return {
    prepare: (server) => {
      let text = '';
      server.reactions.received = (connection, octets) => {
        text += Buffer.from(octets).toString('latin1');
        if (text.length < HEADER.length) return;
        server.reactions.received = () => {};
        behind(server);
        connection.introduced(HEADER.length, ENDS);
        const unread = ascii(text.slice(HEADER.length));
        connection.startTls(tls.server, unread);
        // They are the caller's again.
        unread.fill(0);
        octets.fill(0);
      };
    },
  };
}

/** Python's TLS on buffers: `pieces` says where what it sends first, header and ClientHello, is cut. */
const peer = (pieces: string, version = 'TLSv1_3') => `
s = connect(); s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c = trusting(); c.maximum_version = ssl.TLSVersion.${version}
i, o = ssl.MemoryBIO(), ssl.MemoryBIO(); t = c.wrap_bio(i, o, server_hostname='mail.test')
def run(call, *args):
    while True:
        try:
            got = call(*args); flush(); return got
        except ssl.SSLWantReadError:
            flush(); more = s.recv(65536)
            i.write(more) if more else i.write_eof()
def flush():
    if o.pending: s.sendall(o.read())
try: t.do_handshake()
except ssl.SSLWantReadError: pass
first = b'PROXY UNKNOWN\\r\\n' + o.read()
for piece in ${pieces}:
    s.sendall(piece); time.sleep(0.02)
`;
const WHOLE = '[first]';
const TALK = "run(t.do_handshake); run(t.write, b'hello'); print(t.version(), run(t.read, 100))";

export function introductionCases(transport: Transport, secure: () => NonNullable<Tls>): void {
  const name = (text: string) => `${transport.name}: ${text}`;
  const onPeer = (
    script: string,
    body: (server: Probe, output: () => Promise<string>) => Promise<void>,
    behind?: (server: Probe) => void,
  ) =>
    onStage(transport, headerServer(secure(), behind), async (stage) => {
      const running = python(script, stage.listener.port);
      await body(await stage.accepted(), async () => (await running).output);
      await running;
    });
  const answers = (server: Probe) => {
    server.reactions.received = (connection) => connection.write(ascii('welcome'));
  };

  const CUTS = {
    'in one segment': WHOLE,
    'in two, the header alone': '[first[:15], first[15:]]',
    'in two, one octet behind the header': '[first[:16], first[16:]]',
    'in two, a record header behind it': '[first[:20], first[20:]]',
    'in two, most of it': '[first[:-1], first[-1:]]',
    'in three, the header cut too': '[first[:7], first[7:100], first[100:]]',
  };
  for (const [how, pieces] of Object.entries(CUTS)) {
    for (const version of ['TLSv1_2', 'TLSv1_3']) {
      test(name(`a header and a ClientHello of ${version} ${how} make a session`), async () => {
        const script = peer(pieces, version) + TALK;
        await onPeer(
          script,
          async (server, output) => {
            await server.until('secured');
            await server.when(() => server.text.endsWith('hello'), 'hello');
            assert.equal(server.connection.octetsIn, 'hello'.length);
            assert.equal(server.connection.tls?.serverName, 'mail.test');
            assert.equal(await output(), `${version.replace('_', '.')} b'welcome'\n`);
          },
          answers,
        );
      });
    }
  }

  test(name('a connection is told of as it was introduced, after the close too'), async () => {
    const told = ({ remoteAddress, remotePort, localAddress, localPort }: Connection) => ({
      remote: { address: remoteAddress, port: remotePort },
      local: { address: localAddress, port: localPort },
    });
    await onPeer(
      peer(WHOLE) + TALK,
      async (server) => {
        await server.until('secured');
        assert.deepEqual(told(server.connection), ENDS);
        server.call((connection) => connection.destroy());
        await server.until('closed');
        assert.deepEqual(told(server.connection), ENDS);
      },
      answers,
    );
  });

  test(name('octets behind a header that are no ClientHello are a failed handshake'), async () => {
    const script = "s = connect(); s.sendall(b'PROXY UNKNOWN\\r\\nUSER mary\\r\\n'); everything(s)";
    await onPeer(script, async (server) => {
      await server.until('closed');
      assert.equal(server.error?.kind, 'tls');
      assert.deepEqual([server.count('secured'), server.count('received')], [0, 1]);
    });
  });

  test(name('a ClientHello that is cut short behind a header is a failed handshake'), async () => {
    const script = `${peer('[first[:200]]')}s.shutdown(socket.SHUT_WR); everything(s)`;
    await onPeer(script, async (server) => {
      await server.until('closed');
      // Node's code under Bun calls it a reset.
      assert.ok(['tls', 'reset'].includes(server.error?.kind as string), server.summary());
      assert.equal(server.count('secured'), 0);
    });
  });

  test(name('a handshake begun behind a header is ended by its owner'), async () => {
    await onPeer(`${peer('[first[:200]]')}everything(s)`, async (server) => {
      await server.until('received');
      await sleep(A_WHILE);
      server.call((connection) => connection.destroy());
      await server.until('closed');
      assert.deepEqual([server.error, server.count('secured')], [null, 0]);
    });
  });

  test(name('paused with the header, a connection hears of nothing behind the handshake'), async () => {
    const script = `${peer(WHOLE)}run(t.do_handshake); run(t.write, b'early'); run(t.read, 1)`;
    const pause = (server: Probe) => server.connection.pause();
    await onPeer(
      script,
      async (server) => {
        await server.until('secured');
        await sleep(A_WHILE);
        assert.equal(server.count('received'), 1);
        server.call((connection) => connection.resume());
        await server.when(() => server.text.endsWith('early'), 'early');
        server.call((connection) => connection.destroy());
      },
      pause,
    );
  });

  test(name('what goes both ways behind a header and a handshake arrives octet by octet'), async () => {
    const volume = 4 * MIB;
    const script = `${peer(WHOLE)}run(t.do_handshake)
h = hashlib.sha256(); got = 0
while got < ${volume}:
    more = run(t.read, 65536); h.update(more); got += len(more)
    run(t.write, more)
print(h.hexdigest())
try: run(t.read, 1)
except ssl.SSLError: pass`;
    await onStage(transport, headerServer(secure()), async (stage) => {
      const running = python(script, stage.listener.port);
      const server = await stage.accepted();
      server.reactions.secured = () => new Pump(server, volume).run();
      await server.when(() => server.connection.octetsIn === volume, 'the echo');
      server.call((connection) => connection.end());
      assert.equal((await running).output, `${digestOf(volume)}\n`);
    });
  });
}
