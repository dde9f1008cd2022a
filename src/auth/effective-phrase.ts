import { cryptMethod } from './crypt-method.ts';
import { PHRASE_SIZE } from './libcrypt.ts';

/** DES takes 56 bits of a key: of 8 octets the lower 7 each, with zeros where the phrase ends earlier. */
const DES_BLOCK = 8;
/** bigcrypt's 16 blocks. */
const BIGCRYPT_OCTETS = 16 * DES_BLOCK;
/** Two characters of salt and eleven of hash; a longer one is bigcrypt's. */
const DES_LENGTH = 13;
/** What bcrypt's key schedule takes in. */
const BCRYPT_OCTETS = 72;

/**
 * What of a phrase its crypt(3) method looks at. Two phrases match the same hash when this is the same of both, so
 * that a hash made of it accepts what the stored one accepts and nothing else: with DES whoever knows the first
 * eight characters gets in, as before. Null where libcrypt refuses the phrase.
 */
export function effectivePhrase(stored: string, phrase: string): string | null {
  if (phrase.length >= PHRASE_SIZE) return null;
  switch (cryptMethod(stored).name) {
    case 'des':
      return desBlocks(phrase.slice(0, stored.length > DES_LENGTH ? BIGCRYPT_OCTETS : DES_BLOCK));
    case 'bsdi-des':
      return desBlocks(phrase);
    case 'bcrypt':
      return phrase.slice(0, BCRYPT_OCTETS);
    default:
      return phrase;
  }
}

function desBlocks(phrase: string): string {
  const masked = phrase.replace(/[\x80-\xff]/g, (octet) => String.fromCharCode(octet.charCodeAt(0) & 0x7f));
  const blocks = Math.max(1, Math.ceil(phrase.length / DES_BLOCK));
  return masked.padEnd(blocks * DES_BLOCK, '\0');
}
