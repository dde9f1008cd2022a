import { createHash, timingSafeEqual } from 'node:crypto';

/** As long as a password that a line of the protocol holds. Of one length, which timingSafeEqual asks for. */
const SHORT_OCTETS = 256;
const leftOctets = Buffer.alloc(SHORT_OCTETS);
const rightOctets = Buffer.alloc(SHORT_OCTETS);

/** Compares octet strings in a time that tells neither where nor in what length they differ. */
export function equalOctets(left: string, right: string): boolean {
  if (left.length > SHORT_OCTETS || right.length > SHORT_OCTETS)
    return timingSafeEqual(digest(left), digest(right));
  const isEqual = timingSafeEqual(filled(leftOctets, left), filled(rightOctets, right));
  // What was compared is somebody's password.
  leftOctets.fill(0);
  rightOctets.fill(0);
  return isEqual && left.length === right.length;
}

/** With NULs behind it: another octet string of the same octets is told apart by its length. */
function filled(octets: Buffer, text: string): Buffer {
  octets.write(text, 'latin1');
  return octets;
}

/** Of one length whatever goes in. */
function digest(octets: string): Buffer {
  return createHash('sha256').update(octets, 'latin1').digest();
}
