/**
 * The bytes of files that wait to be sent, kept by the browser as long as they wait, so that a reload or a crash loses
 * none of them. Their notes lie in `storage.js`.
 *
 * Invariants: all that is kept for a person together has a bound; it is erased with the rest when the sign-in ends; one
 * page at a time has a file, the one that holds its lock, and a lock ends with its page. What cannot be kept (no room,
 * no such storage, no secure origin) is sent all the same, and only does not outlive the page.
 */

const DATABASE = 'parlor';
const FILES = 'files';
/** Of one person. */
export const KEPT_BYTES_MAX = 256 * 1024 * 1024;

/**
 * `keep` says whether it is kept; `take` gives what is kept, unless another page has it or it cannot be read now;
 * `release` lets another page have it; `drop` forgets it, unless another page has it; `prune` forgets what nobody knows
 * of and no page has.
 * @typedef {{
 *   keep: (id: string, file: Blob) => Promise<boolean>,
 *   take: (id: string) => Promise<Blob|'elsewhere'|'unread'|null>,
 *   release: (id: string) => void, drop: (id: string) => void, prune: (known: Set<string>) => Promise<void>, stop: () => void,
 *   erase: (whose: 'mine'|'others') => Promise<void>,
 * }} Vault
 */

/** Where nothing can be kept. @type {Vault} */
export const noVault = {
  keep: () => Promise.resolve(false), take: () => Promise.resolve(null), release: () => {},
  drop: () => {}, prune: () => Promise.resolve(), stop: () => {}, erase: () => Promise.resolve(),
};

/** The vault of the browser. @param {number} user @param {number} [most] bytes @returns {Vault} */
export function browserVault(user, most = KEPT_BYTES_MAX) {
  if (typeof indexedDB === 'undefined' || !navigator.locks) return noVault;
  return new BrowserVault(user, most);
}

/** Erases what was kept for anybody: nobody is signed in. @returns {Promise<void>} */
export async function eraseVault() {
  if (typeof indexedDB === 'undefined') return;
  await within('readwrite', (files) => files.clear()).catch(() => {});
}

/** @implements {Vault} */
class BrowserVault {
  /** What ends the locks that this page holds, by file. @type {Map<string, () => void>} */
  #held = new Map();
  #stopped = false;

  /** @param {number} user @param {number} most */
  constructor(user, most) {
    this.prefix = `${user}:`;
    this.most = most;
  }

  /** @param {string} id @param {Blob} file */
  async keep(id, file) {
    try {
      if (file.size > this.most || !await this.#lock(id)) return false;
      const key = this.prefix + id;
      return await within('readwrite', async (files) => {
        // It may have been erased while this waited.
        if (this.#stopped) return false;
        const all = /** @type {Blob[]} */ (await done(files.getAll(this.#mine())));
        if (all.reduce((sum, one) => sum + one.size, file.size) > this.most) return false;
        await done(files.put(file, key));
        return true;
      });
    } catch {
      return false;
    }
  }

  /** @param {string} id */
  async take(id) {
    try {
      if (!await this.#lock(id)) return /** @type {const} */ ('elsewhere');
      return await within('readonly', (files) => done(files.get(this.prefix + id))) ?? null;
    } catch {
      return /** @type {const} */ ('unread');
    }
  }

  /** @param {string} id */
  release(id) {
    this.#held.get(id)?.();
    this.#held.delete(id);
  }

  /** @param {string} id */
  drop(id) {
    void this.#drop(id).catch(() => {});
  }

  /** @param {string} id */
  async #drop(id) {
    if (!await this.#lock(id)) return;
    try {
      await within('readwrite', (files) => files.delete(this.prefix + id));
    } finally {
      this.release(id);
    }
  }

  /** @param {Set<string>} known */
  async prune(known) {
    try {
      const keys = await within('readonly', (files) => done(files.getAllKeys(this.#mine())));
      for (const id of keys.map((key) => String(key).slice(this.prefix.length))) {
        if (!known.has(id) && !this.#held.has(id)) await this.#drop(id);
      }
    } catch {
      // It is tried again with the next page.
    }
  }

  /** The page is over for this person. */
  stop() {
    this.#stopped = true;
    for (const end of this.#held.values()) end();
    this.#held.clear();
  }

  /** @param {'mine'|'others'} whose */
  async erase(whose) {
    await within('readwrite', async (files) => {
      if (whose === 'mine') {
        files.delete(this.#mine());
        return;
      }
      const keys = await done(files.getAllKeys());
      for (const key of keys) if (!String(key).startsWith(this.prefix)) files.delete(key);
    }).catch(() => {});
  }

  #mine() {
    // The sign after the colon ends what begins with it.
    return IDBKeyRange.bound(this.prefix, `${this.prefix.slice(0, -1)};`, false, true);
  }

  /** @param {string} id @returns {Promise<boolean>} whether this page has it, until it lets it go or ends */
  #lock(id) {
    if (this.#stopped) return Promise.resolve(false);
    if (this.#held.has(id)) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      navigator.locks.request(`parlor:${this.prefix}${id}`, { ifAvailable: true }, (lock) => {
        const mine = lock !== null && !this.#stopped;
        resolve(mine);
        if (!mine) return undefined;
        return new Promise((end) => {
          this.#held.set(id, () => end(undefined));
        });
      }).catch(reject);
    });
  }
}

/** @type {Promise<IDBDatabase>|null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} */
function open() {
  if (opened) return opened;
  /** @type {Promise<IDBDatabase>} */
  const opening = new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(FILES);
    request.onsuccess = () => {
      const database = request.result;
      // A newer page may need another form of it.
      database.onversionchange = () => {
        database.close();
        over(opening);
      };
      // The browser ends it by itself, too: when what sites keep is cleared, or the disk fails.
      database.onclose = () => over(opening);
      resolve(database);
    };
    request.onblocked = request.onerror = () => {
      over(opening);
      reject(request.error ?? new Error('it is in use'));
    };
  });
  opened = opening;
  return opening;
}

/** The next one opens it anew. @param {Promise<IDBDatabase>} opening */
function over(opening) {
  if (opened === opening) opened = null;
}

/** @param {IDBTransactionMode} mode @returns {Promise<IDBTransaction>} */
async function begin(mode) {
  const opening = open();
  const database = await opening;
  try {
    return database.transaction(FILES, mode);
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw error;
    // It was closed, which was not told yet.
    over(opening);
    return (await open()).transaction(FILES, mode);
  }
}

/** What is done to the files in one transaction, once it is durable. @template T @param {IDBTransactionMode} mode
 * @param {(files: IDBObjectStore) => T} act @returns {Promise<Awaited<T>>} */
async function within(mode, act) {
  const transaction = await begin(mode);
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('it was not kept'));
  });
  const [result] = await Promise.all([act(transaction.objectStore(FILES)), ended]);
  return result;
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
