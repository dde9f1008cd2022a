/** Octet strings made from others. Every choice comes from the numbers given: a seed tells a whole run. */

/** Numbers from 0 to `below` - 1 (xorshift32). */
export type Chance = (below: number) => number;

export function chanceOf(seed: number): Chance {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** What an input may grow to: no more than a line of the longest kind and some. */
const LONGEST = 16_384;
const MOST_CHANGES = 5;

/** Octets that mean something in one of the protocols. */
const TELLING = ['\0', '\r', '\n', ' ', '=', ':', '+', '-', '*', '.', '\x16', '\x7f', '\x80', '\xff'];

/** An input that was changed in one to five places. */
export function mutated(
  input: string,
  words: readonly string[],
  others: readonly string[],
  chance: Chance,
): string {
  let text = input;
  for (let left = 1 + chance(MOST_CHANGES); left > 0; left--) text = changed(text, words, others, chance);
  return text.slice(0, LONGEST);
}

function changed(text: string, words: readonly string[], others: readonly string[], chance: Chance): string {
  const at = chance(text.length + 1);
  const [before, behind] = [text.slice(0, at), text.slice(at)];
  switch (chance(9)) {
    case 0:
      return before + String.fromCharCode(chance(256)) + behind.slice(1);
    case 1:
      return before + TELLING[chance(TELLING.length)] + behind;
    case 2:
    case 3:
      return before + words[chance(words.length)] + behind;
    case 4:
      return before + behind.slice(1 + chance(8));
    case 5:
      return before + behind.slice(chance(behind.length + 1));
    case 6:
      return before + behind.slice(0, 1 + chance(40)) + behind;
    case 7: {
      const other = others[chance(others.length)] ?? '';
      return before + other.slice(chance(other.length + 1));
    }
    default:
      // One bit of one octet.
      return before + String.fromCharCode((behind.charCodeAt(0) || 0) ^ (1 << chance(8))) + behind.slice(1);
  }
}
