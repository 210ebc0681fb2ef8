/**
 * The bytes of files that wait to be sent, kept by the browser as long as they wait, so that a reload or a crash loses
 * none of them. Their notes lie in `storage.js`.
 *
 * Invariants: all that is kept for a person together has a bound; it is erased with the rest when the sign-in ends; one
 * page at a time has a file, the one that holds its lock, and a lock ends with its page. What cannot be kept (no room,
 * no such storage, no secure origin) is sent all the same, and only does not outlive the page.
 */

import { Database, resultOf, eraseKeys, keyRange } from './database.js';

const database = new Database('parlor', 'files');
/** Of one person. */
export const STORED_BYTES_MAX = 256 * 1024 * 1024;

/**
 * `keep` says whether it is kept; `take` gives what is kept, unless another page has it or it cannot be read now;
 * `release` lets another page have it; `drop` forgets it, unless another page has it; `prune` forgets what nobody knows
 * of and no page has.
 * @typedef {{
 *   put: (id: string, file: Blob) => Promise<boolean>,
 *   acquire: (id: string) => Promise<Blob|'elsewhere'|'unread'|null>,
 *   release: (id: string) => void, delete: (id: string) => void, prune: (known: Set<string>) => Promise<void>, stop: () => void,
 *   erase: (whose: 'mine'|'others') => Promise<void>,
 * }} BlobStore
 */

/** Where nothing can be kept. @type {BlobStore} */
export const noBlobStore = {
  put: () => Promise.resolve(false), acquire: () => Promise.resolve(null), release: () => {},
  delete: () => {}, prune: () => Promise.resolve(), stop: () => {}, erase: () => Promise.resolve(),
};

/** The vault of the browser. @param {number} user @param {number} [bytesMax] bytes @returns {BlobStore} */
export function browserBlobStore(user, bytesMax = STORED_BYTES_MAX) {
  if (typeof indexedDB === 'undefined' || !navigator.locks) return noBlobStore;
  return new BrowserBlobStore(user, bytesMax);
}

/** Erases what was kept for anybody: nobody is signed in. @returns {Promise<void>} */
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
        // It may have been erased while this waited.
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
      // It is tried again with the next page.
    }
  }

  /** The page is over for this person. */
  stop() {
    this.#stopped = true;
    for (const end of this.#locks.values()) end();
    this.#locks.clear();
  }

  /** @param {'mine'|'others'} whose */
  async erase(whose) {
    await eraseKeys(database, this.prefix, whose);
  }

  /** @param {string} id @returns {Promise<boolean>} whether this page has it, until it lets it go or ends */
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
