/**
 * Addresses for bytes that this page has: the same for the same bytes, as long as they are among those used last. What
 * has an address stays in memory, so there are only a few dozen, and none after the sign-in has ended.
 */

const HELD_MAX = 64;

/** Those used last come last. @type {Map<Blob, string>} */
const addresses = new Map();

/** @param {Blob} blob @returns {string} */
export function addressOf(blob) {
  const address = addresses.get(blob) ?? URL.createObjectURL(blob);
  addresses.delete(blob);
  addresses.set(blob, address);
  for (const old of addresses.keys()) {
    if (addresses.size <= HELD_MAX) break;
    revoke(old);
  }
  return address;
}

/** Nothing of what this page had can be looked at any more. */
export function revokeAll() {
  for (const blob of [...addresses.keys()]) revoke(blob);
}

/** @param {Blob} blob */
function revoke(blob) {
  URL.revokeObjectURL(addresses.get(blob) ?? '');
  addresses.delete(blob);
}
