/**
 * Stores the bytes of files that wait to be sent, so that a reload or a crash loses none of them. What else is known of
 * these files is in `draft-file.js`.
 *
 * Invariants: the files of one user have a size limit together; they are erased when the session ends; one page at a
 * time owns a file, the one that holds its lock, and a lock ends with its page. A file that cannot be stored (no space,
 * no such storage, no secure origin) is sent all the same, but does not outlive the page.
 */

import { Database, resultOf, eraseKeys, keyRange } from './database.js';

const database = new Database('parlor', 'files');
/** Per user. */
export const STORED_BYTES_MAX = 256 * 1024 * 1024;

/**
 * `put` returns whether the file is stored; `acquire` returns a stored file, unless another page owns it or it cannot
 * be read now; `release` lets another page own it; `delete` deletes it, unless another page owns it; `prune` deletes
 * files that are neither known nor owned by a page.
 * @typedef {{
 *   put: (id: string, file: Blob) => Promise<boolean>,
 *   acquire: (id: string) => Promise<Blob|'elsewhere'|'unread'|null>,
 *   release: (id: string) => void, delete: (id: string) => void, prune: (known: Set<string>) => Promise<void>, stop: () => void,
 *   erase: (whose: 'mine'|'others') => Promise<void>,
 * }} BlobStore
 */

/** Used where nothing can be stored. @type {BlobStore} */
export const noBlobStore = {
  put: () => Promise.resolve(false), acquire: () => Promise.resolve(null), release: () => {},
  delete: () => {}, prune: () => Promise.resolve(), stop: () => {}, erase: () => Promise.resolve(),
};

/** Returns the store of this browser. @param {number} user @param {number} [bytesMax] @returns {BlobStore} */
export function browserBlobStore(user, bytesMax = STORED_BYTES_MAX) {
  if (typeof indexedDB === 'undefined' || !navigator.locks) return noBlobStore;
  return new BrowserBlobStore(user, bytesMax);
}

/** Erases the files of all users, since none is signed in. @returns {Promise<void>} */
export async function eraseBlobStore() {
  if (typeof indexedDB === 'undefined') return;
  await database.transaction('readwrite', (files) => files.clear()).catch(() => {});
}

/** @implements {BlobStore} */
class BrowserBlobStore {
  /** What ends the locks that this page holds, by file. @type {Map<string, () => void>} */
  #locks = new Map();
  #stopped = false;

  /** @param {number} user @param {number} bytesMax */
  constructor(user, bytesMax) {
    this.prefix = `${user}:`;
    this.bytesMax = bytesMax;
  }

  /** @param {string} id @param {Blob} file */
  async put(id, file) {
    try {
      if (file.size > this.bytesMax || !await this.#lock(id)) return false;
      const key = this.prefix + id;
      return await database.transaction('readwrite', async (files) => {
        // It may have been erased in the meantime.
        if (this.#stopped) return false;
        const all = /** @type {Blob[]} */ (await resultOf(files.getAll(keyRange(this.prefix))));
        if (all.reduce((sum, one) => sum + one.size, file.size) > this.bytesMax) return false;
        await resultOf(files.put(file, key));
        return true;
      });
    } catch {
      return false;
    }
  }

  /** @param {string} id */
  async acquire(id) {
    try {
      if (!await this.#lock(id)) return /** @type {const} */ ('elsewhere');
      return await database.transaction('readonly', (files) => resultOf(files.get(this.prefix + id))) ?? null;
    } catch {
      return /** @type {const} */ ('unread');
    }
  }

  /** @param {string} id */
  release(id) {
    this.#locks.get(id)?.();
    this.#locks.delete(id);
  }

  /** @param {string} id */
  delete(id) {
    void this.#delete(id).catch(() => {});
  }

  /** @param {string} id */
  async #delete(id) {
    if (!await this.#lock(id)) return;
    try {
      await database.transaction('readwrite', (files) => files.delete(this.prefix + id));
    } finally {
      this.release(id);
    }
  }

  /** @param {Set<string>} known */
  async prune(known) {
    try {
      const keys = await database.transaction('readonly', (files) => resultOf(files.getAllKeys(keyRange(this.prefix))));
      for (const id of keys.map((key) => String(key).slice(this.prefix.length))) {
        if (!known.has(id) && !this.#locks.has(id)) await this.#delete(id);
      }
    } catch {
      // The next page tries again.
    }
  }

  /** The session of this page has ended. */
  stop() {
    this.#stopped = true;
    for (const end of this.#locks.values()) end();
    this.#locks.clear();
  }

  /** @param {'mine'|'others'} whose */
  async erase(whose) {
    await eraseKeys(database, this.prefix, whose);
  }

  /** @param {string} id @returns {Promise<boolean>} whether this page owns the file, until it releases it or ends */
  #lock(id) {
    if (this.#stopped) return Promise.resolve(false);
    if (this.#locks.has(id)) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      navigator.locks.request(`parlor:${this.prefix}${id}`, { ifAvailable: true }, (lock) => {
        const mine = lock !== null && !this.#stopped;
        resolve(mine);
        if (!mine) return undefined;
        return new Promise((end) => {
          this.#locks.set(id, () => end(undefined));
        });
      }).catch(reject);
    });
  }
}
