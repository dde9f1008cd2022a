/** nginx' mail proxy, its settings as by default. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Peer, Place } from './peer.ts';

const MODULE = '/usr/lib/nginx/modules/ngx_mail_module.so';
const NEEDS = [
  { program: 'nginx', package: 'nginx-light' },
  { program: MODULE, package: 'libnginx-mod-mail' },
];

/** The least that an auth_http can be: nginx' own http server, which accepts all. */
export const nginx: Peer = {
  id: 'nginx',
  title: 'nginx mail, auth_http that accepts all',
  needs: NEEDS,
  version: { of: 'nginx', command: ['nginx', '-v'] },
  start: (place) => start(place, acceptsAll(place)),
};

/** As a site has it: a service that looks the user up in Redis and checks a hash. */
export const nginxService: Peer = {
  id: 'nginx-auth',
  title: 'nginx mail with an auth service (Node, Redis), both counted',
  needs: [...NEEDS, { program: 'redis-server', package: 'redis-server' }],
  version: { of: 'nginx', command: ['nginx', '-v'] },
  start: (place) => start(place, ''),
  aux: ({ run, auxPort, sinkPort, usersFile, password }) => ({
    command: [
      join(import.meta.dirname, '../../../node_modules/.bin/node'),
      join(import.meta.dirname, 'auth-service.ts'),
      JSON.stringify({
        port: auxPort,
        socket: join(run, 'redis.sock'),
        folder: run,
        users: usersFile,
        password,
        sinkPort,
      }),
    ],
  }),
  only: ['w1', 'w1l'],
  warms: true,
};

function start(place: Place, http: string): Command {
  const file = join(place.run, 'nginx.conf');
  writeFileSync(file, configuration(place, http));
  return { command: ['nginx', '-p', place.run, '-c', file, '-e', join(place.run, 'error.log')] };
}

function configuration(place: Place, http: string): string {
  const { run, port, auxPort, tls, certificate, key, maxConnections, workers } = place;
  const secure = `ssl_certificate ${certificate}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3;`;
  return `load_module ${MODULE};
daemon off;
worker_processes ${workers};
pid ${run}/nginx.pid;
error_log ${run}/error.log;
events { worker_connections ${3 * maxConnections}; }
mail {
  server_name bench.example;
  auth_http 127.0.0.1:${auxPort}/auth;
  proxy_pass_error_message on;
  pop3_auth plain;
  pop3_capabilities TOP USER UIDL RESP-CODES PIPELINING;
  server {
    listen 127.0.0.1:${port}${tls ? ' ssl' : ''} backlog=4096;
    ${tls ? secure : ''}
    protocol pop3;
  }
}
http {
  access_log off;
  client_body_temp_path ${run}/body; proxy_temp_path ${run}/proxy; fastcgi_temp_path ${run}/fastcgi;
  uwsgi_temp_path ${run}/uwsgi; scgi_temp_path ${run}/scgi;
${http}}
`;
}

function acceptsAll({ auxPort, sinkPort }: Place): string {
  return `  server {
    listen 127.0.0.1:${auxPort} backlog=4096;
    location /auth {
      add_header Auth-Status OK always;
      add_header Auth-Server 127.0.0.1 always;
      add_header Auth-Port ${sinkPort} always;
      return 204;
    }
  }
`;
}
