/** Where the server is: at the root of its origin, or below a path (`http.root_path`). The page is directly there. */

/** The path without its last slash; empty at the root of the origin. */
export const ROOT = rootOf(globalThis.location?.pathname ?? '/');

/** @param {string} pathname the path of the page @returns {string} */
export function rootOf(pathname) {
  return pathname.replace(/\/[^/]*$/, '');
}

/** Returns the address of something of the server, which names it from its own root. Other addresses stay.
 * @param {string} path @returns {string} */
export function addressOf(path) {
  return path.startsWith('/') ? ROOT + path : path;
}
