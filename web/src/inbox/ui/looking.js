/**
 * Where the user looks, known to all tabs of the browser: a tab holds a lock for what has the focus in it. A lock ends
 * with its tab, so nothing is left behind by a tab that crashes. Browsers have no locks on insecure pages; there it is
 * stored, and counts for a short time.
 *
 * @import {UserStorage} from '../../sdk/storage.js'
 */

/** Where the user looks, and when that was noted. */
const STORED = 'looking';
/** Longer than the inbox waits between two drawings. */
const STORED_MS = 90_000;

/** @param {number} user @returns {string} */
const prefixOf = (user) => `parlor:${user}:looking:`;

export class Looking {
  #at = -1;
  /** Counts the changes, so that a lock that is granted late is released. */
  #turn = 0;
  #release = () => {};

  /** @param {number} user @param {UserStorage} storage */
  constructor(user, storage) {
    this.user = user;
    this.storage = storage;
  }

  /** @param {number} at the conversation; 0 for another part of the inbox, -1 for none */
  set(at) {
    if (!navigator.locks) this.#store(at);
    if (at === this.#at) return;
    this.#at = at;
    this.#release();
    this.#release = () => {};
    const turn = (this.#turn += 1);
    if (at < 0) return;
    navigator.locks?.request(prefixOf(this.user) + at, { mode: 'shared' }, () => new Promise((resolve) => {
      if (turn === this.#turn) this.#release = () => resolve(null);
      else resolve(null);
    })).catch(() => {});
  }

  /** @param {number} at */
  #store(at) {
    if (at >= 0) this.storage.set(STORED, { at, time: Date.now() });
    else if (this.#at >= 0) this.storage.remove(STORED);
  }

  /** Returns where the user looks in any tab; null for nowhere. @returns {Promise<number|null>} */
  async find() {
    if (!navigator.locks) {
      const { at = -1, time = 0 } = this.storage.get(STORED) ?? {};
      return at >= 0 && Math.abs(Date.now() - time) < STORED_MS ? at : null;
    }
    const prefix = prefixOf(this.user);
    const { held = [] } = await navigator.locks.query();
    const places = held.filter(({ name }) => name?.startsWith(prefix)).map(({ name }) => Number(name?.slice(prefix.length)));
    return Math.max(this.#at, ...places) < 0 ? null : Math.max(this.#at, ...places);
  }
}
