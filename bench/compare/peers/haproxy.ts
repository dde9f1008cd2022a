/** HAProxy in TCP mode: knows nothing of POP3, so about what the kernel alone costs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Peer, Place } from './peer.ts';

export const haproxy: Peer = {
  id: 'haproxy',
  title: 'HAProxy, TCP pass-through without splice',
  needs: [{ program: 'haproxy', package: 'haproxy' }],
  version: { of: 'HAProxy', command: ['haproxy', '-v'] },
  start,
};

function start({ run, port, sinkPort, tls, certificate, key, maxConnections, workers }: Place): Command {
  const both = join(run, 'both.pem');
  if (tls)
    writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'), { mode: 0o600 });
  const file = join(run, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  maxconn ${maxConnections}
  nbthread ${workers}
  nosplice
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
frontend pop3
  bind 127.0.0.1:${port} backlog 4096${tls ? ` ssl crt ${both}` : ''}
  default_backend sink
backend sink
  server sink 127.0.0.1:${sinkPort}
`,
  );
  return { command: ['haproxy', '-db', '-f', file] };
}
