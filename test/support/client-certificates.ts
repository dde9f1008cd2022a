/** An authority for client certificates, and what clients may show. */
import { selfSigned, signed, type TestCertificate, temporaryFolder } from './tls.ts';

export type ClientCertificates = {
  ca: string;
  caFile: string;
  /** Mary Müller: mary@acme.com, m.m@acme.com and host.test. */
  mary: TestCertificate;
  /** joe@own.test. */
  joe: TestCertificate;
  /** As mary's, ended yesterday. */
  expired: TestCertificate;
  /** As mary's, of an authority that nobody asked for. */
  foreign: TestCertificate;
  /** Of the right authority, made for servers alone. */
  server: TestCertificate;
  /** Its one DNS name is `evil.test, DNS:mail.test`; its common name holds a line feed. */
  sly: TestCertificate;
};

const NAMES = 'subjectAltName=email:mary@acme.com,email:m.m@acme.com,DNS:host.test,IP:192.0.2.1';
const FOR_CLIENTS = 'extendedKeyUsage=clientAuth';
const SUBJECT = '/O=Acme/CN=People/CN=Mary Müller';

export function clientCertificates(): ClientCertificates {
  const dir = temporaryFolder();
  const authority = selfSigned(dir, 'clients', '', true);
  selfSigned(dir, 'others', '', true);
  const own = { authority: 'clients', subject: SUBJECT, extensions: [NAMES, FOR_CLIENTS] };
  const slyNames = ['subjectAltName=@names', FOR_CLIENTS, '[names]', 'DNS=evil.test\\, DNS:mail.test'];
  return {
    ca: authority.certificate,
    caFile: authority.certificateFile,
    mary: signed(dir, { ...own, name: 'mary' }),
    joe: signed(dir, { ...own, name: 'joe', extensions: ['subjectAltName=email:joe@own.test', FOR_CLIENTS] }),
    expired: signed(dir, { ...own, name: 'expired', days: [-2, -1] }),
    foreign: signed(dir, { ...own, name: 'foreign', authority: 'others' }),
    server: signed(dir, { ...own, name: 'server', extensions: [NAMES, 'extendedKeyUsage=serverAuth'] }),
    sly: signed(dir, { ...own, name: 'sly', subject: '/CN=Mary\nCN=root', extensions: slyNames }),
  };
}
