/**
 * Rendezvous hashing: every pair of a user and a server has a score, and the server with the best one has the user.
 * Proxies agree without a word to each other, a server that is gone moves its own users alone, and each of them comes
 * back with it. What is computed here must never change: with it every user of a site would move.
 */

/** 32-bit FNV-1a of an octet string. */
export function hashOf(octets: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < octets.length; i++) hash = Math.imul(hash ^ octets.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * The score of a user at a server, both by their hashes: best at one of them with a probability that goes by its
 * share of the weights. Weights are above 0.
 */
export function scoreOf(user: number, server: number, weight: number): number {
  // Between 0 and 1, neither of them: its negated logarithm is exponentially distributed, and of such the least by
  // weight is that of a server as often as its weight says.
  const uniform = (mixed(user ^ mixed(server)) + 0.5) / 2 ** 32;
  return -weight / Math.log(uniform);
}

/** The last step of MurmurHash3: each bit of the input turns half of the output's. */
function mixed(input: number): number {
  let hash = input;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
