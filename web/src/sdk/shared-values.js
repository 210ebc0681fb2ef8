/**
 * Values that all pages of a user on this device share. A change is one transaction of IndexedDB, so of pages that change
 * a value at the same moment, each sees what the one before has written. localStorage promises less: a browser may keep
 * a copy of it for each of its processes. It has the values where IndexedDB is missing, fails or hangs.
 *
 * @import {UserStorage} from './storage.js'
 */
import { Database, resultOf, eraseKeys } from './database.js';

const database = new Database('parlor-shared', 'values');

/** How long to wait for IndexedDB. */
const WAIT_MS = 5_000;

/** Erases the values of all users, since none is signed in. @returns {Promise<void>} */
export async function eraseSharedValues() {
  if (typeof indexedDB === 'undefined') return;
  await database.transaction('readwrite', (values) => values.clear()).catch(() => {});
}

export class SharedValues {
  /** @param {UserStorage} storage */
  constructor(storage) {
    this.storage = storage;
  }

  /** @param {string} name @returns {Promise<any>} null when it is not there */
  get(name) {
    return this.#try('readonly', (values) => resultOf(values.get(this.#key(name))), () => this.storage.get(name))
      .then((value) => value ?? null);
  }

  /** Replaces a value. @param {string} name @param {(value: any) => unknown} change returns the new value, or undefined to
   * keep the value, which is null when it is not there; called a second time if the first result cannot be kept */
  async update(name, change) {
    await this.#try('readwrite', async (values) => {
      const value = change(await resultOf(values.get(this.#key(name))) ?? null);
      if (value !== undefined) values.put(value, this.#key(name));
    }, () => {
      const value = change(this.storage.get(name));
      if (value !== undefined) this.storage.set(name, value);
    });
  }

  /** @param {'mine'|'others'} whose @returns {Promise<void>} */
  async erase(whose) {
    if (typeof indexedDB !== 'undefined') await eraseKeys(database, this.storage.prefix, whose);
  }

  /** @param {string} name @returns {string} */
  #key(name) {
    return this.storage.prefix + name;
  }

  /** @template T @param {IDBTransactionMode} mode @param {(values: IDBObjectStore) => Promise<T>} act
   * @param {() => T} otherwise @returns {Promise<T>} */
  async #try(mode, act, otherwise) {
    if (typeof indexedDB === 'undefined') return otherwise();
    /** @type {Promise<never>} */
    const late = new Promise((_, reject) => { setTimeout(() => reject(new Error('it hangs')), WAIT_MS); });
    try {
      return /** @type {T} */ (await Promise.race([database.transaction(mode, act), late]));
    } catch {
      return otherwise();
    }
  }
}
