/** One try with a wrong password, from an address of its own. */
import { connect } from 'node:net';

export type Guess = {
  port: number;
  address: string;
  user: string;
  password: string;
  refused(): void;
  accepted(): void;
};

const LONGEST = 30_000;

/** Whatever the answer is, it must not be +OK; who guesses does not wait for anything else. */
export function guess({ port, address, user, password, refused, accepted }: Guess): void {
  const socket = connect({ host: '127.0.0.1', port, localAddress: address });
  socket.on('error', () => {});
  socket.setTimeout(LONGEST, () => socket.destroy());
  let received = '';
  let said = 0;
  const commands = [`USER ${user}\r\n`, `PASS ${password}\r\n`];
  socket.on('data', (octets: Buffer) => {
    received += octets.toString('latin1');
    const replies = received.split('\r\n');
    if (replies.length !== said + 2) return;
    const reply = replies.at(-2)!;
    const command = reply.startsWith('+OK') ? commands[said++] : undefined;
    if (command !== undefined) socket.write(command);
    else {
      if (reply.startsWith('+OK')) accepted();
      else refused();
      socket.destroy();
    }
  });
}
