/**
 * The service worker of the page (`worker.js`): installed where the server wants one, else removed.
 */
import { rootOf, scriptAddress, workerAddress } from './ui/root.js';

/** Installs the worker, or removes an earlier one and what it kept. Without one, the page needs a connection to open;
 * nothing else is lost. */
export async function registerWorker() {
  const workers = navigator.serviceWorker;
  // Absent without https, and in some private windows. Where a proxy shows the inbox at a path other than the server's,
  // the server's path may be a page of another application, which the worker must not open.
  if (!workers || location.pathname !== `${rootOf(scriptAddress())}/`) return;
  const address = workerAddress();
  try {
    // The browser compares the worker's script with the server's at each visit.
    if (address) await workers.register(address, { updateViaCache: 'none' });
    else await remove(workers);
  } catch {
    // The browser forbids it, or there is no connection; the next visit tries it again.
  }
}

/** Removes a worker and its files (`prefix` of `worker.js`), before it could have removed itself.
 * @param {ServiceWorkerContainer} workers */
async function remove(workers) {
  const root = rootOf(scriptAddress());
  const registration = await workers.getRegistration(`${root}/`);
  const { active, waiting, installing } = registration ?? {};
  const script = (active ?? waiting ?? installing)?.scriptURL;
  // The page may be in the scope of another application's worker.
  if (script === new URL(`${root}/worker.js`, location.href).href) await registration?.unregister();
  const prefix = `parlor-files:${root}:`;
  for (const name of await caches.keys()) if (name.startsWith(prefix)) await caches.delete(name);
}
