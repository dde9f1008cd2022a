/** Dovecot as a login proxy, in the mode that its manual advises for many connections (service_count = 0). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Peer, Place } from './peer.ts';

export const dovecot: Peer = {
  id: 'dovecot',
  title: 'Dovecot login proxy, passdb static',
  needs: [
    { program: 'dovecot', package: 'dovecot-core' },
    { program: '/usr/lib/dovecot/pop3-login', package: 'dovecot-pop3d' },
  ],
  version: { of: 'Dovecot', command: ['dovecot', '--version'] },
  start,
};

function start(place: Place): Command {
  const file = join(place.run, 'dovecot.conf');
  for (const folder of ['base', 'state']) mkdirSync(join(place.run, folder));
  writeFileSync(file, configuration(place));
  return { command: ['dovecot', '-F', '-c', file] };
}

function configuration({ run, port, sinkPort, tls, certificate, key, maxConnections }: Place): string {
  return `base_dir = ${run}/base
state_dir = ${run}/state
instance_name = teapop-proxy-bench
log_path = ${run}/dovecot.log
protocols = pop3
listen = 127.0.0.1
disable_plaintext_auth = no
${tls ? `ssl = yes\nssl_cert = <${certificate}\nssl_key = <${key}` : 'ssl = no'}
auth_mechanisms = plain
mail_max_userip_connections = 0
passdb {
  driver = static
  args = proxy=y nopassword=y host=127.0.0.1 port=${sinkPort}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service pop3-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = ${maxConnections}
  vsz_limit = 4G
  inet_listener pop3 {
    port = ${tls ? 0 : port}
  }
  inet_listener pop3s {
    port = ${tls ? port : 0}
    ssl = yes
  }
}
default_client_limit = ${maxConnections}
`;
}
