/** A mail host behind HAProxy, with a mailstore that is told of the client in every way that there is. */
import type { DovecotOptions } from './dovecot.ts';
import { freePort } from './ports.ts';
import type { Runtime } from './proxy-process.ts';
import {
  ADDRESS,
  MASTER,
  type RunningSite,
  SECOND_ADDRESS,
  type SiteParts,
  standardTables,
  startSite,
} from './running-site.ts';

/** All loopback addresses are this host's: the client has one of its own, HAProxy connects from ADDRESS. */
export const CLIENT_ADDRESS = '127.0.0.5';
export const PASSWORD = 'v1rtual ada';
/** Each has an upstream of its own, that is told the client in its own way, or not at all. */
export const UPSTREAMS = ['untold', 'xclient', 'xclient-stls', 'v1', 'v2', 'v2-tls'] as const;
export type UpstreamName = (typeof UPSTREAMS)[number];
const ACCOUNT = 'ada';
/** On the second address the name is another's. */
export const SECOND = { login: 'ada@untold.test', password: 'an0ther', account: 'second' };

/** A check runs ten times a second. */
const CHECK = 'check inter 100ms';

/** Sends headers of both versions, with a checksum as well, and checks both listeners in every way that it has. */
export function fronts({ proxy }: RunningSite) {
  const [plain, tls] = [proxy.port('behind'), proxy.port('behind-tls')];
  const v2 = 'send-proxy-v2 proxy-v2-options crc32c,unique-id';
  const more = 'option tcp-check\n  unique-id-format %ci:%cp';
  const hello = 'tcp-request inspect-delay 5s\n  tcp-request content accept if { req.ssl_hello_type 1 }';
  return {
    v1: { port: plain, server: `send-proxy ${CHECK} check-send-proxy`, more: 'option tcp-check' },
    v2: { port: plain, server: `${v2} ${CHECK} check-send-proxy`, more },
    second: { port: plain, server: 'send-proxy-v2', address: SECOND_ADDRESS },
    'v1-tls': { port: tls, server: `send-proxy ${CHECK} check-send-proxy`, more: 'option tcp-check' },
    'v2-tls': { port: tls, server: `${v2} ${CHECK} check-send-proxy`, more },
    // Header and ClientHello go together: HAProxy has waited for the one before it connects.
    'v2-sni': { port: tls, server: v2, more: `${hello}\n  unique-id-format %ci:%cp` },
    headless: { port: plain, server: '' },
    // Told another port, HAProxy checks without a header: a connection, and a reset.
    'bare-check': { port: plain, server: `send-proxy ${CHECK} port ${plain}` },
    'bare-check-tls': { port: tls, server: `send-proxy ${CHECK} port ${tls}` },
  };
}

export async function startProxiedSite(runtime: Runtime): Promise<RunningSite> {
  const headed = await freePort();
  const headedTls = await freePort();
  return startSite({
    runtime,
    source: 'files',
    tables: tables(),
    mailstore: { users: ACCOUNTS, extra: dovecotExtra(headed, headedTls) },
    config: (parts) => ({
      listeners: listeners(),
      upstreams: upstreams(parts, headed, headedTls),
      tables: {
        source: 'files',
        domain_table: `${parts.folder.path}/teapop.passwd`,
        domains: Object.fromEntries(UPSTREAMS.map((name) => [`${name}.test`, { upstream: name }])),
      },
    }),
  });
}

const ACCOUNTS: DovecotOptions['users'] = [ACCOUNT, SECOND.account].map((name) => ({ name, password: 'x' }));

/** Trusts the proxy, and has two more ports where it wants a PROXY header. */
function dovecotExtra(headed: number, headedTls: number): string {
  return `login_trusted_networks = ${ADDRESS}
haproxy_trusted_networks = ${ADDRESS}
login_log_format_elements = user=<%u> rip=%r lip=%l %k session=<%{session}>
service pop3-login {
  inet_listener headed {
    port = ${headed}
    haproxy = yes
  }
  inet_listener headed-tls {
    port = ${headedTls}
    haproxy = yes
    ssl = yes
  }
}
`;
}

function tables(): Record<string, string> {
  const line = (domain: string, address: string, file: string) =>
    `${domain}:${address}:textfile:/var/spool/mail:0:mail:mail:{dir}/${file}:9:\n`;
  const second = line('untold.test', SECOND_ADDRESS, 'second-ada.passwd');
  const domains = UPSTREAMS.map((name) => line(`${name}.test`, '*', 'ada.passwd'));
  return {
    'teapop.passwd': standardTables()['teapop.passwd'] + second + domains.join(''),
    'ada.passwd': `ada:${PASSWORD}:${ACCOUNT}\n`,
    'second-ada.passwd': `ada:${SECOND.password}:${SECOND.account}\n`,
  };
}

function listeners() {
  const common = { address: ADDRESS, port: 0, proxy_protocol: { from: [ADDRESS] } };
  return [
    { name: 'behind', ...common, tls: 'off', plaintext_auth: [`${CLIENT_ADDRESS}/32`, ADDRESS] },
    { name: 'behind-tls', ...common, tls: 'implicit' },
  ];
}

function upstreams({ certificates, dovecot, folder }: SiteParts, headed: number, headedTls: number) {
  const passwordFile = folder.file('master.password', `${MASTER.password}\n`, 0o600);
  const verified = { ca_file: certificates.caFile, server_name: 'mail.test' };
  const ways: Record<UpstreamName, object> = {
    untold: {},
    xclient: { xclient: true },
    'xclient-stls': { xclient: true, tls: 'starttls', ...verified },
    v1: { proxy_protocol: 'v1', port: headed },
    v2: { proxy_protocol: 'v2', port: headed },
    'v2-tls': { proxy_protocol: 'v2', port: headedTls, tls: 'implicit', ...verified },
  };
  const common = {
    host: ADDRESS,
    port: dovecot!.port,
    login: { master: { user: MASTER.user, password_file: passwordFile } },
  };
  return Object.entries(ways).map(([name, way]) => ({ name, ...common, ...way }));
}
