/**
 * Erases what the browser stores: of the user when their session ends, and of others when a user signs in.
 *
 * @import {Client} from './client.js'
 */
import { eraseUser } from './storage.js';

/** @typedef {Pick<Client, 'blobStore'|'journal'|'snapshots'|'shared'>} Stores */

/** @param {Stores & Pick<Client, 'user'|'storage'>} client @returns {Promise<void>} */
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
