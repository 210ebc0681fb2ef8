/**
 * Addresses for bytes that this page has: the same for the same bytes, as long as they are among those used last. What
 * has an address stays in memory, so there are only a few dozen, and none after the sign-in has ended.
 */

const URLS_MAX = 64;

/** Those used last come last. @type {Map<Blob, string>} */
const urls = new Map();

/** @param {Blob} blob @returns {string} */
export function objectUrlOf(blob) {
  const url = urls.get(blob) ?? URL.createObjectURL(blob);
  urls.delete(blob);
  urls.set(blob, url);
  for (const old of urls.keys()) {
    if (urls.size <= URLS_MAX) break;
    revoke(old);
  }
  return url;
}

/** Nothing of what this page had can be looked at any more. */
export function revokeObjectUrls() {
  for (const blob of [...urls.keys()]) revoke(blob);
}

/** @param {Blob} blob */
function revoke(blob) {
  URL.revokeObjectURL(urls.get(blob) ?? '');
  urls.delete(blob);
}
