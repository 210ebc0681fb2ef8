/** Where the server is: at the root of its origin, or below a path (`http.root_path`), which the server puts before the
 * address of the script. A proxy may show the page elsewhere, so its own address says nothing. */

/** The path without its last slash; empty at the root of the origin. */
const ROOT = rootOf(scriptAddress());

/** Returns the address of the page's script, which has a hash of it and of all that it loads. @returns {string} */
export function scriptAddress() {
  return globalThis.document?.querySelector('script[type=module]')?.getAttribute('src') ?? '';
}

/** Returns the address of the service worker; null where the server is configured to have none, and nothing is kept for
 * a start without a connection. @returns {string|null} */
export function workerAddress() {
  return document.querySelector('meta[name=parlor-worker]')?.getAttribute('content') ?? null;
}

/** Returns whether the page opens without a connection: the server wants a worker, the browser has workers, and the page
 * is at the server's own address. Where a proxy shows it elsewhere, that address may be a page of another application.
 * @returns {boolean} */
export function opensOffline() {
  return workerAddress() !== null && 'serviceWorker' in navigator && location.pathname === `${ROOT}/`;
}

/** @param {string} script the address of the script, such as `/web/main.js` @returns {string} */
export function rootOf(script) {
  return /^(.*)\/web\//u.exec(script)?.[1] ?? '';
}

/** Returns the address of something of the server, which names it from its own root. Files of the application beside it
 * and other origins keep theirs.
 * @param {string} path @returns {string} */
export function addressOf(path) {
  return path.startsWith('/v1/') ? ROOT + path : path;
}
