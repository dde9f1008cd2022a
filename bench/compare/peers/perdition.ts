/** perdition: a process for each session. All users are on the one mailstore, so it needs no map. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Peer, Place } from './peer.ts';

export const perdition: Peer = {
  id: 'perdition',
  title: 'perdition',
  needs: [{ program: 'perdition', package: 'perdition' }],
  version: { of: 'perdition', command: ['dpkg-query', '-W', 'perdition'] },
  start,
  // Each child closes every descriptor up to the limit, one system call each.
  descriptors: 64,
  without: { workloads: ['growth'], why: 'forks a process for each session, 6,000 of them' },
};

function start({ run, port, sinkPort, tls, certificate, key }: Place): Command {
  const file = join(run, 'perdition.conf');
  const log = join(run, 'perdition.log');
  writeFileSync(file, '');
  writeFileSync(log, '');
  // It writes there as nobody.
  chmodSync(log, 0o666);
  if (tls) chmodSync(key, 0o644);
  const secure = ['--ssl_mode', 'ssl_listen', '--ssl_cert_file', certificate, '--ssl_key_file', key];
  return {
    command: [
      ...(['perdition', '-P', 'POP3', '-f', file, '--no_daemon', '-b', '127.0.0.1'] as const),
      ...['-l', String(port), '-s', '127.0.0.1', '-p', String(sinkPort), '-n', '-B', '-q'],
      ...['-F', log, '--pid_file', '', ...(tls ? [...secure, '--ssl_no_cn_verify'] : ['--ssl_mode', 'none'])],
    ],
  };
}
