/**
 * What the scanners that administrators run make of the proxy's TLS. nmap looks at both listeners on both runtimes,
 * testssl.sh, which takes its time, at each listener and each runtime once.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Runtime } from '../support/proxy-process.ts';
import { type RunningSite, startSite } from '../support/running-site.ts';
import { signed } from '../support/tls.ts';
import { type Finding, nmapTls, type Service, testssl } from '../support/tls-scanners.ts';

const PATIENCE = { timeout: 280_000 };

/** Graver than LOW, and WARN: what could not be found out. */
const GRAVE = ['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL', 'WARN'];

/** What is no finding about the proxy. */
const TOLERATED: Record<string, string> = {
  engine_problem: 'the scanner has no GOST ciphers of its own',
  sessionresumption_ticket:
    'the scanner hangs up without a word, and now and then before the ticket is there',
};

/** Checks that must have been made, with what must have come out: an empty scan would have no findings either. */
const OUTCOMES: Record<string, string> = {
  SSLv2: 'not offered',
  SSLv3: 'not offered',
  TLS1: 'not offered',
  TLS1_1: 'not offered',
  TLS1_2: 'offered',
  TLS1_3: 'offered with final',
  cipherlist_NULL: 'not offered',
  cipher_order: 'server',
  cert_chain_of_trust: 'passed.',
  heartbleed: 'not vulnerable, no heartbeat extension',
  secure_client_renego: 'not vulnerable',
  CRIME_TLS: 'not vulnerable',
  SWEET32: 'not vulnerable',
  LUCKY13: 'not vulnerable',
  // FS in testssl.sh 3.2.
  PFS: 'offered',
};

/** The scripts of nmap's that look for holes, and for how many. */
const HOLES = { 'ssl-dh-params': 4, 'ssl-poodle': 1, 'ssl-heartbleed': 1, 'ssl-ccs-injection': 1 };

/** Certificates as a site has them: with a list of what is revoked, for three months, both kinds of key. */
function config({ folder }: { folder: { path: string } }) {
  const extensions = [
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    'extendedKeyUsage=serverAuth',
    'keyUsage=critical,digitalSignature',
    'crlDistributionPoints=URI:http://crl.test/ca.crl',
  ];
  const made = (['ecdsa', 'rsa'] as const).map((kind) =>
    signed(`${folder.path}/tls`, { name: `scanned-${kind}`, kind, extensions, days: [-1, 90] }),
  );
  return {
    tls: {
      certificates: made.map(({ certificateFile, keyFile }) => ({
        certificate: certificateFile,
        key: keyFile,
      })),
    },
    // Nobody logs in.
    upstreams: [{ name: 'mailstore', host: '127.0.0.1', port: 1, login: 'passthrough' }],
  };
}

/** What testssl.sh scans there: the settings of TLS are the same for both listeners. */
const SCANNED: Record<Runtime, Service> = { bun: 'pop3', node: 'pop3s' };

type Scanned = { site: RunningSite; findings: Promise<Finding[]> };

async function scan(runtime: Runtime): Promise<Scanned> {
  const site = await startSite({ source: 'files', mailstore: false, runtime, config });
  const service = SCANNED[runtime];
  const findings = testssl(site.proxy.port(service), service, site.certificates.caFile);
  // Awaited by a test below.
  findings.catch(() => {});
  return { site, findings };
}

const RUNTIMES = ['bun', 'node'] as const;
const scanned = new Map<Runtime, Scanned>();

// A scan waits a lot: both at once take little longer than one.
before(async () => {
  for (const runtime of RUNTIMES) scanned.set(runtime, await scan(runtime));
});
after(() => Promise.all([...scanned.values()].map(({ site }) => site.stop())));

for (const runtime of RUNTIMES) {
  test(`testssl.sh finds nothing graver than LOW, ${SCANNED[runtime]}, ${runtime}`, PATIENCE, async () => {
    const findings = await scanned.get(runtime)!.findings;
    const grave = findings.filter(({ id, severity }) => GRAVE.includes(severity) && !(id in TOLERATED));
    assert.deepEqual(grave, []);
    for (const [id, outcome] of Object.entries(OUTCOMES)) {
      const found = findings.filter((finding) => plainId(finding) === id);
      assert.ok(found.length > 0, `${id} was not looked at`);
      for (const { finding } of found) assert.ok(finding.startsWith(outcome), `${id}: ${finding}`);
    }
  });

  test(`nmap rates every cipher A, sees order and certificate, and finds no hole, ${runtime}`, async () => {
    const { site } = scanned.get(runtime)!;
    const ports = { [site.proxy.port('pop3')]: 'pop3', [site.proxy.port('pop3s')]: 'pop3s' } as const;
    const seen = await nmapTls(ports);
    for (const port of Object.keys(ports)) {
      const text = seen[Number(port)] ?? '';
      assert.match(text, /TLSv1\.2: .*cipher preference: server.*TLSv1\.3: /s);
      assert.match(text, /least strength: A\b/);
      assert.match(text, /ssl-cert.*commonName=scanned-ecdsa/s);
      assert.doesNotMatch(text, /TLSv1\.0|TLSv1\.1|SSLv3|_CBC_|TLS_RSA_/);
      for (const [script, holes] of Object.entries(HOLES)) {
        const found = new RegExp(`<script id="${script}".*?</script>`, 's').exec(text)?.[0] ?? '';
        const states = [...found.matchAll(/<elem key="state">([^<]*)</g)].map(([, state]) => state);
        assert.deepEqual(states, Array(holes).fill('NOT VULNERABLE'), `${script}: ${found}`);
      }
      // It speaks where it finds a key that others have, too.
      assert.doesNotMatch(text, /ssl-known-key/);
    }
  });

  test(`nothing that a scanner sends is a fault of the proxy's, ${runtime}`, PATIENCE, async () => {
    const { site, findings } = scanned.get(runtime)!;
    await findings;
    const faults = site.proxy.log().filter(({ level }) => level === 'error');
    assert.deepEqual(faults, []);
  });
}

/** Without the number of the certificate. */
function plainId({ id }: Finding): string {
  const [name] = id.split(' ');
  return name === 'FS' ? 'PFS' : name!;
}
