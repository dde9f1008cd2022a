/**
 * The auth service of nginx-auth: looks the user up in Redis, compares a SHA-256, says where the mailstore is. Starts
 * the Redis itself and takes it along at SIGTERM.
 */
import { spawn } from 'node:child_process';
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Redis } from 'ioredis';

type Settings = {
  port: number;
  socket: string;
  folder: string;
  users: string;
  password: string;
  sinkPort: number;
};

const settings = JSON.parse(process.argv[2] ?? '') as Settings;
const server = spawn(
  'redis-server',
  [
    '--port',
    '0',
    '--unixsocket',
    settings.socket,
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    settings.folder,
  ],
  { stdio: 'ignore' },
);
process.once('SIGTERM', () => {
  server.kill('SIGTERM');
  process.exit(0);
});

const redis = new Redis({ path: settings.socket, retryStrategy: () => 20 });
redis.on('error', () => {
  // Not up yet; it tries again, and a login that finds no Redis is refused and counted as an error.
});
const row = digest(settings.password).toString('hex');
const users = readFileSync(settings.users, 'utf8').trim().split('\n');
await redis.hset('users', Object.fromEntries(users.map((user) => [user, row])));

createServer((request, response) => {
  const user = decodeURIComponent(String(request.headers['auth-user']));
  const password = decodeURIComponent(String(request.headers['auth-pass']));
  void redis.hget('users', user).then((found) => {
    const accepted = found !== null && timingSafeEqual(Buffer.from(found, 'hex'), digest(password));
    response.writeHead(200, accepted ? accept() : { 'Auth-Status': 'Invalid login or password' });
    response.end();
  });
}).listen(settings.port, '127.0.0.1', 4_096);

function accept(): Record<string, string> {
  return {
    'Auth-Status': 'OK',
    'Auth-Server': '127.0.0.1',
    'Auth-Port': String(settings.sinkPort),
    'Content-Length': '0',
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
