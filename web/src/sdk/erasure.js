/**
 * Erases what the browser stores: of the user when their session ends, and of others when a user signs in.
 *
 * @import {UserStorage} from './storage.js'
 */
import { eraseUser } from './storage.js';

/** @typedef {{erase: (whose: 'mine'|'others') => Promise<unknown>}} Store */
/** @typedef {{blobStore: Store, journal: Store, snapshots: Store, shared: Store}} Stores */

/** @param {Stores & {user: number, storage: UserStorage}} client @returns {Promise<void>} */
export async function eraseStored(client) {
  eraseUser(client.storage.backend, client.user);
  await eraseAll(client, 'mine');
}

/** @param {Stores} client @returns {Promise<void>} */
export async function eraseStoredByOthers(client) {
  await eraseAll(client, 'others');
}

/** @param {Stores} stores @param {'mine'|'others'} whose */
async function eraseAll({ blobStore, journal, snapshots, shared }, whose) {
  await Promise.all([blobStore, journal, snapshots, shared].map((one) => one.erase(whose)));
}
