/**
 * A small part of IndexedDB in memory, which can hang or fail.
 */

/** `fails`: the kinds of requests that fail. @typedef {{hangs: boolean, fails: Set<string>}} Trouble */

/** Puts it in place for a test. @param {Map<string, unknown>} values what it holds, by key
 * @param {Trouble} trouble @returns {() => void} takes it away again */
export function fakeIndexedDb(values, trouble) {
  const places = /** @type {any} */ (globalThis);
  const before = { indexedDB: places.indexedDB, IDBKeyRange: places.IDBKeyRange };
  places.IDBKeyRange = { bound: (/** @type {string} */ from, /** @type {string} */ to) => ({ from, to }) };
  const answer = (/** @type {string} */ kind, /** @type {() => unknown} */ act) => {
    /** @type {any} */
    const request = {};
    queueMicrotask(() => {
      if (trouble.fails.has(kind)) {
        request.error = new Error(`${kind} failed`);
        request.onerror?.();
        return;
      }
      request.result = act();
      request.onsuccess?.();
    });
    return request;
  };
  const store = {
    getAll: () => answer('getAll', () => [...values.values()]),
    getAllKeys: () => answer('getAllKeys', () => [...values.keys()]),
    put: (/** @type {unknown} */ value, /** @type {string} */ key) => answer('put', () => void values.set(key, structuredClone(value))),
    clear: () => answer('clear', () => values.clear()),
    delete: (/** @type {string|{from: string, to: string}} */ which) => answer('delete', () => {
      for (const key of [...values.keys()]) {
        if (typeof which === 'string' ? key === which : key >= which.from && key < which.to) values.delete(key);
      }
    }),
  };
  const transaction = () => {
    /** @type {any} */
    const one = { objectStore: () => store };
    setImmediate(() => one.oncomplete?.());
    return one;
  };
  places.indexedDB = { open: () => (trouble.hangs ? {} : answer('open', () => ({ transaction, close: () => {} }))) };
  return () => Object.assign(places, before);
}
