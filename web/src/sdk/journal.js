/**
 * What is to be sent, on the disk: what was put here and is not removed outlives the browser's being killed. Other storage
 * of the browser reaches the disk some seconds later.
 *
 * What cannot be put here (no room, no such storage) is sent all the same.
 *
 * @import {Item} from './outbox-item.js'
 */
import { Database, resultOf, eraseKeys, keyRange } from './database.js';

/**
 * `put` says whether it is on the disk; `all` gives what was left behind, or null where that is not known.
 * @typedef {{
 *   put: (item: Item) => Promise<boolean>, remove: (clientId: string) => void, all: () => Promise<Item[]|null>,
 *   erase: (whose: 'mine'|'others') => Promise<void>,
 * }} Journal
 */

const database = new Database('parlor-sends', 'sends');

/** Where nothing can be kept. @type {Journal} */
export const noJournal = {
  put: () => Promise.resolve(false), remove: () => {}, all: () => Promise.resolve(null), erase: () => Promise.resolve(),
};

/** The journal of the browser. @param {number} user @returns {Journal} */
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

/** Erases what was to be sent by anybody: nobody is signed in. @returns {Promise<void>} */
export async function eraseJournal() {
  if (typeof indexedDB === 'undefined') return;
  await database.transaction('readwrite', (sends) => sends.clear()).catch(() => {});
}
