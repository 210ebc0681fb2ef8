/**
 * A journal of the outbox on disk: what is put here and not removed survives a crash of the browser. Other browser
 * storage reaches the disk some seconds later.
 *
 * A message that cannot be put here (no space, no such storage) is sent all the same.
 *
 * @import {Item} from './outbox-item.js'
 */
import { Database, resultOf, eraseKeys, keyRange } from './database.js';

/**
 * `put` returns whether the item is on disk; `all` returns the items that were left behind, or null if that is unknown.
 * @typedef {{
 *   put: (item: Item) => Promise<boolean>, remove: (clientId: string) => void, all: () => Promise<Item[]|null>,
 *   erase: (whose: 'mine'|'others') => Promise<void>,
 * }} Journal
 */

const database = new Database('parlor-sends', 'sends');

/** Used where nothing can be stored. @type {Journal} */
export const noJournal = {
  put: () => Promise.resolve(false), remove: () => {}, all: () => Promise.resolve(null), erase: () => Promise.resolve(),
};

/** Returns the journal of this browser. @param {number} user @returns {Journal} */
export function browserJournal(user) {
  if (typeof indexedDB === 'undefined') return noJournal;
  const prefix = `${user}:`;
  return {
    put: (item) => database.transaction('readwrite', (sends) => resultOf(sends.put(item, prefix + item.client_id)), 'strict')
      .then(() => true, () => false),
    remove: (clientId) => {
      void database.transaction('readwrite', (sends) => sends.delete(prefix + clientId), 'strict').catch(() => {});
    },
    all: () => database.transaction('readonly', (sends) => resultOf(sends.getAll(keyRange(prefix)))).catch(() => null),
    erase: (whose) => eraseKeys(database, prefix, whose),
  };
}

/** Erases the messages of all users, since none is signed in. @returns {Promise<void>} */
export async function eraseJournal() {
  if (typeof indexedDB === 'undefined') return;
  await database.transaction('readwrite', (sends) => sends.clear()).catch(() => {});
}
