// The service worker: keeps the files of the page, so that it opens without a connection. The server puts what to keep
// before this script, as `self.parlorFiles`.
//
// Invariants: answers of the API, errors and redirects are never kept; the network's page always comes first, unless
// something is shared; a kept file has a hash of its bytes in its name, and the kept page names no other files, so no
// page gets files of another version. The version is one of the files and of this script.
// Absent on purpose: anything about a user. The page keeps that itself (`sdk/snapshots.js`).
(() => {
  /** @typedef {{waitUntil: (done: Promise<unknown>) => void}} Lasting
   * @typedef {Lasting & {request: Request, respondWith: (response: Promise<Response>) => void}} Fetching
   * @typedef {{
   *   parlorFiles: {version: string, root: string, page: string, files: string[]},
   *   skipWaiting: () => Promise<void>, clients: {claim: () => Promise<void>},
   *   addEventListener: (type: string, act: (event: any) => void) => void,
   * }} Worker */
  const worker = /** @type {Worker} */ (/** @type {unknown} */ (globalThis));
  const { version, root, page, files } = worker.parlorFiles;
  /** Other applications, and Parlor below other paths, may keep files at the same origin. */
  const prefix = `parlor-files:${root}:`;
  const current = prefix + version;
  /** A page that is slower than this is opened as it is kept. */
  const PATIENCE_MS = 5_000;
  /** What a proxy answers for a server that is gone. */
  const GONE = [502, 503, 504];

  /** Keeps all files, the page last, or fails: the browser tries again later. */
  async function fill() {
    // It has no hash in its name.
    const response = await load(page, 'no-cache');
    for (const [, path] of (await response.clone().text()).matchAll(/"([^"]*\/web\/[^"]*)"/gu)) {
      if (!files.includes(path)) throw new Error(`the page is of another version: ${path}`);
    }
    const kept = await caches.open(current);
    for (const path of files) await kept.put(path, await load(path, 'default'));
    await kept.put(page, response);
  }

  /** @param {string} path @param {RequestCache} cache @returns {Promise<Response>} */
  async function load(path, cache) {
    const response = await fetch(path, { redirect: 'error', cache });
    if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
    return response;
  }

  /** Drops old versions but the last one, of which pages may still be open. */
  async function clean() {
    const names = (await caches.keys()).filter((name) => name.startsWith(prefix) && name !== current);
    for (const name of names.slice(0, -1)) await caches.delete(name);
    await worker.clients.claim();
  }

  /** @param {string} path @param {string} [cacheName] @returns {Promise<Response|undefined>} */
  function find(path, cacheName) {
    // Without its caches the worker is as good as none.
    return caches.match(path, { cacheName, ignoreVary: true }).catch(() => undefined);
  }

  /** Opens the page for what another application shares. Only the page sees it: the server gets no such address, and
   * cannot lead on to where somebody signs in. @returns {Promise<Response>} */
  async function openShared() {
    return (await find(page, current)) ?? fetch(page);
  }

  /** @param {Request} request @returns {Promise<Response>} */
  async function openPage(request) {
    const asked = fetch(request);
    // It may fail after the kept page was opened.
    asked.catch(() => {});
    const late = new Promise((resolve) => {
      setTimeout(resolve, PATIENCE_MS);
    });
    const response = await Promise.race([asked, late]).catch(() => null);
    if (response instanceof Response && !GONE.includes(response.status)) return response;
    return (await find(page, current)) ?? asked;
  }

  worker.addEventListener('install', (/** @type {Lasting} */ event) => {
    event.waitUntil(fill().then(() => worker.skipWaiting()));
  });
  worker.addEventListener('activate', (/** @type {Lasting} */ event) => event.waitUntil(clean()));
  worker.addEventListener('fetch', (/** @type {Fetching} */ event) => {
    const { request } = event;
    const { origin, pathname, search } = new URL(request.url);
    if (request.method !== 'GET' || origin !== location.origin) return;
    if (request.mode === 'navigate') {
      if (pathname !== `${root}/`) return;
      event.respondWith(search.includes('share-') ? openShared() : openPage(request));
    } else if (pathname.startsWith(`${root}/web/`) && /-[0-9a-f]{16}\.\w+$/u.test(pathname)) {
      event.respondWith(find(pathname).then((kept) => kept ?? fetch(request)));
    }
  });
})();
