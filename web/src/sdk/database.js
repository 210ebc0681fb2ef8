/**
 * An IndexedDB database with one key-value store. It is opened on first use, and again if the browser has closed it.
 */

export class Database {
  /** @type {Promise<IDBDatabase>|null} */
  #connection = null;

  /** @param {string} name @param {string} store */
  constructor(name, store) {
    this.name = name;
    this.store = store;
  }

  /** Runs an action in one transaction and resolves when the transaction is complete. With `strict`, the data is then
   * on disk, as far as the browser can tell. @template T @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => T} act @param {IDBTransactionDurability} [durability]
   * @returns {Promise<Awaited<T>>} */
  async transaction(mode, act, durability = 'default') {
    const transaction = await this.#begin(mode, durability);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('it was not kept'));
    });
    const [result] = await Promise.all([act(transaction.objectStore(this.store)), ended]);
    return result;
  }

  /** @param {IDBTransactionMode} mode @param {IDBTransactionDurability} durability @returns {Promise<IDBTransaction>} */
  async #begin(mode, durability) {
    const opening = this.#open();
    const database = await opening;
    try {
      return database.transaction(this.store, mode, { durability });
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw error;
      // It was closed, but the event has not arrived yet.
      this.#forget(opening);
      return (await this.#open()).transaction(this.store, mode, { durability });
    }
  }

  /** @returns {Promise<IDBDatabase>} */
  #open() {
    if (this.#connection) return this.#connection;
    /** @type {Promise<IDBDatabase>} */
    const opening = new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(this.store);
      request.onsuccess = () => {
        const database = request.result;
        // A newer version of the page may need another schema.
        database.onversionchange = () => {
          database.close();
          this.#forget(opening);
        };
        // The browser also closes it by itself: when site data is cleared, or the disk fails.
        database.onclose = () => this.#forget(opening);
        resolve(database);
      };
      request.onblocked = request.onerror = () => {
        this.#forget(opening);
        reject(request.error ?? new Error('it is in use'));
      };
    });
    this.#connection = opening;
    return opening;
  }

  /** The next use opens it again. @param {Promise<IDBDatabase>} opening */
  #forget(opening) {
    if (this.#connection === opening) this.#connection = null;
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
export function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Returns the range of all keys with a user's prefix, which ends with a colon. @param {string} prefix
 * @returns {IDBKeyRange} */
export function keyRange(prefix) {
  // The character after the colon sorts after all of these keys.
  return IDBKeyRange.bound(prefix, `${prefix.slice(0, -1)};`, false, true);
}

/** Erases the keys with a prefix, or all other keys. @param {Database} database @param {string} prefix
 * @param {'mine'|'others'} whose @returns {Promise<void>} */
export async function eraseKeys(database, prefix, whose) {
  await database.transaction('readwrite', async (store) => {
    if (whose === 'mine') {
      store.delete(keyRange(prefix));
      return;
    }
    const keys = await resultOf(store.getAllKeys());
    for (const key of keys) if (!String(key).startsWith(prefix)) store.delete(key);
  }).catch(() => {});
}
