// Takes the place of the service worker where it is switched off: removes it and the files that it kept.
(() => {
  const worker = /** @type {any} */ (globalThis);
  worker.addEventListener('install', () => worker.skipWaiting());
  worker.addEventListener('activate', (/** @type {{waitUntil: (done: Promise<unknown>) => void}} */ event) => {
    const prefix = `parlor-files:${worker.parlorFiles.root}:`;
    event.waitUntil(caches.keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith(prefix)).map((name) => caches.delete(name))))
      .then(() => worker.registration.unregister()));
  });
})();
