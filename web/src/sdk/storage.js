/**
 * Browser storage for one user, under keys that begin with the user's id. It is erased when the session ends and when
 * another user signs in. Where nothing can be stored (private windows, full disks) it lasts as long as the page.
 */
const PREFIX = 'parlor:';

/** @typedef {Pick<globalThis.Storage, 'getItem'|'setItem'|'removeItem'|'key'|'length'>} StorageLike */

/** Returns storage that lasts as long as the page. @returns {StorageLike} */
export function memoryStorage() {
  /** @type {Map<string, string>} */
  const values = new Map();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
    key: (index) => [...values.keys()][index] ?? null,
    get length() {
      return values.size;
    },
  };
}

export class UserStorage {
  /** @param {StorageLike} storage @param {number} user */
  constructor(storage, user) {
    this.backend = storage;
    this.prefix = `${PREFIX}${user}:`;
  }

  /** @param {string} name @returns {any} null when it is not there */
  get(name) {
    try {
      return JSON.parse(this.backend.getItem(this.prefix + name) ?? 'null');
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {unknown} value @returns {boolean} whether it was kept */
  set(name, value) {
    try {
      this.backend.setItem(this.prefix + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} name */
  remove(name) {
    this.backend.removeItem(this.prefix + name);
  }

  /** Returns the names with a prefix. @param {string} prefix @returns {string[]} */
  names(prefix) {
    return keysIn(this.backend)
      .filter((key) => key.startsWith(this.prefix + prefix))
      .map((key) => key.slice(this.prefix.length));
  }
}

/** Erases the data of all users but one. @param {StorageLike} storage @param {number} user */
export function eraseOtherUsers(storage, user) {
  for (const key of keysIn(storage)) {
    if (key.startsWith(PREFIX) && !key.startsWith(`${PREFIX}${user}:`)) storage.removeItem(key);
  }
}

/** Erases the data of one user. @param {StorageLike} storage @param {number} user */
export function eraseUser(storage, user) {
  for (const key of keysIn(storage)) {
    if (key.startsWith(`${PREFIX}${user}:`)) storage.removeItem(key);
  }
}

/** Erases the data of all users, since none is signed in. @param {StorageLike} storage */
export function eraseAll(storage) {
  for (const key of keysIn(storage)) {
    if (key.startsWith(PREFIX)) storage.removeItem(key);
  }
}

/** @param {StorageLike} storage @returns {string[]} */
function keysIn(storage) {
  const keys = [];
  for (let index = 0; index < storage.length; index += 1) keys.push(storage.key(index) ?? '');
  return keys;
}
