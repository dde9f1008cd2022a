/** Letter case as strcasecmp(3) sees it in the C locale: that of ASCII alone, so that no octet changes its meaning. */
export function lowerCase(octets: string): string {
  return /[A-Z]/.test(octets) ? octets.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : octets;
}
