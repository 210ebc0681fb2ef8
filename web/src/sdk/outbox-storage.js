/**
 * Where the messages of an outbox are stored: each under its own key, so that several pages of one user do not overwrite
 * each other's, and in the journal, which outlives a crash of the browser.
 *
 * @import {Journal} from './journal.js'
 * @import {Item} from './outbox-item.js'
 * @import {UserStorage} from './storage.js'
 */

const PREFIX = 'send:';

export class OutboxStorage {
  /** The `client_id`s of stored items; empty where nothing can be stored. @type {Set<string>} */
  #stored = new Set();

  /** @param {UserStorage} storage @param {Journal} journal */
  constructor(storage, journal) {
    this.storage = storage;
    this.journal = journal;
  }

  /** @param {string|null} key of the browser's storage; null stands for all @returns {boolean} */
  isOwnKey(key) {
    return key === null || key.startsWith(this.storage.prefix + PREFIX);
  }

  /** Returns every item that this page or another page of the user has stored. @returns {Item[]} */
  all() {
    return this.storage.names(PREFIX).flatMap((name) => this.storage.get(name) ?? []);
  }

  /** @param {string} clientId @returns {Item|null} as it is stored now */
  get(clientId) {
    return this.storage.get(PREFIX + clientId);
  }

  /** @param {string} clientId @returns {boolean} */
  isStored(clientId) {
    return this.#stored.has(clientId);
  }

  /** Returns whether another page has sent or discarded an item. @param {string} clientId @returns {boolean} */
  isHandledElsewhere(clientId) {
    return this.#stored.has(clientId) && this.get(clientId) === null;
  }

  /** Marks an item of another page as stored. @param {string} clientId */
  adopt(clientId) {
    this.#stored.add(clientId);
  }

  /** @param {Item} item */
  put(item) {
    if (this.storage.set(PREFIX + item.client_id, item)) this.#stored.add(item.client_id);
    else this.#unstore(item.client_id);
  }

  /** @param {string} clientId */
  remove(clientId) {
    this.#unstore(clientId);
    this.journal.remove(clientId);
  }

  /** @param {string} clientId */
  #unstore(clientId) {
    this.#stored.delete(clientId);
    this.storage.remove(PREFIX + clientId);
  }
}
