/** Dovecot as a login proxy, in the mode that its manual advises for many connections (service_count = 0). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashPassword } from '../../../src/auth/argon2.ts';
import { paramsOf } from '../setup.ts';
import type { Command, Peer, Place } from './peer.ts';

export const dovecot: Peer = {
  id: 'dovecot',
  title: 'Dovecot login proxy, passdb static',
  needs: [
    { program: 'dovecot', package: 'dovecot-core' },
    { program: '/usr/lib/dovecot/pop3-login', package: 'dovecot-pop3d' },
  ],
  version: { of: 'Dovecot', command: ['dovecot', '--version'] },
  start: (place) => start(place, acceptsAll(place)),
  hashed: {
    title: 'Dovecot login proxy, passdb passwd-file with ARGON2ID, auth cache',
    start: async (place) => start(place, await passwordFile(place)),
  },
};

function start(place: Place, passdb: string): Command {
  const file = join(place.run, 'dovecot.conf');
  for (const folder of ['base', 'state']) mkdirSync(join(place.run, folder));
  writeFileSync(file, configuration(place, passdb));
  return { command: ['dovecot', '-F', '-c', file] };
}

function acceptsAll({ sinkPort }: Place): string {
  return `passdb {
  driver = static
  args = proxy=y nopassword=y host=127.0.0.1 port=${sinkPort}
}`;
}

/** One salt for all: what a verification costs is the same. */
async function passwordFile({ run, usersFile, password, argon2id, sinkPort }: Place): Promise<string> {
  const hash = await hashPassword(password, paramsOf(argon2id!));
  const users = readFileSync(usersFile, 'utf8').trim().split('\n');
  const file = join(run, 'passwd');
  writeFileSync(file, users.map((user) => `${user}:{ARGON2ID}${hash}::::::\n`).join(''));
  return `auth_cache_size = 64M
auth_cache_ttl = 1 hour
auth_cache_negative_ttl = 1 hour
passdb {
  driver = passwd-file
  args = username_format=%u ${file}
  default_fields = proxy=y host=127.0.0.1 port=${sinkPort}
}
service auth {
  vsz_limit = 2G
}`;
}

function configuration(place: Place, passdb: string): string {
  const { run, port, tls, certificate, key, maxConnections, workers } = place;
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
${passdb}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
service pop3-login {
  service_count = 0
  process_min_avail = ${workers}
  process_limit = ${workers}
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
