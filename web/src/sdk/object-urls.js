/**
 * Object URLs of blobs: the same blob keeps its URL while it is among those used last. A blob with a URL stays in
 * memory, so there are only a few dozen, and none after the session has ended.
 */

const URLS_MAX = 64;

/** In order of use, the latest last. @type {Map<Blob, string>} */
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

/** Revokes all URLs. */
export function revokeObjectUrls() {
  for (const blob of [...urls.keys()]) revoke(blob);
}

/** @param {Blob} blob */
function revoke(blob) {
  URL.revokeObjectURL(urls.get(blob) ?? '');
  urls.delete(blob);
}
