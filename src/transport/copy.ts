/** A copy, of a Buffer as well: what its own `slice` gives is a view. */
export function copyOf(octets: Uint8Array): Uint8Array {
  return new Uint8Array(octets);
}
