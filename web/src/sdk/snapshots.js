/**
 * The last known inbox on this device, for a start without a connection. Like the outbox, it belongs to one user, and is
 * erased when they sign out, when their session ends, and when another user signs in.
 *
 * @import {Snapshot} from './snapshot.js'
 */
import { Database, resultOf, eraseKeys } from './database.js';

/** @typedef {{save: (state: Snapshot['state'], savedAt: number) => Promise<void>,
 *   erase: (whose: 'mine'|'others') => Promise<void>}} Snapshots */

const database = new Database('parlor-inbox', 'snapshots');

/** Used where nothing is kept. @type {Snapshots} */
export const noSnapshots = { save: () => Promise.resolve(), erase: () => Promise.resolve() };

/** Returns the snapshots of this browser. @param {Omit<Snapshot, 'state'|'savedAt'>} about
 * @param {() => boolean} isSignedIn whether nobody else has signed in since, in any tab @returns {Snapshots} */
export function browserSnapshots(about, isSignedIn) {
  if (typeof indexedDB === 'undefined') return noSnapshots;
  const prefix = `${about.user}:`;
  return {
    // What cannot be kept is loaded again.
    save: (state, savedAt) => (isSignedIn() ? database.transaction('readwrite',
      (snapshots) => resultOf(snapshots.put({ ...about, state, savedAt }, `${prefix}inbox`))).then(() => {}, () => {})
      : Promise.resolve()),
    erase: (whose) => eraseKeys(database, prefix, whose),
  };
}

/** Returns the last known inbox, if the same scripts kept it. @param {string} build @returns {Promise<Snapshot|null>} */
export async function lastSnapshot(build) {
  if (typeof indexedDB === 'undefined') return null;
  /** @type {Snapshot[]} */
  const all = await database.transaction('readonly', (snapshots) => resultOf(snapshots.getAll())).catch(() => []);
  const [last] = all.sort((one, other) => other.savedAt - one.savedAt);
  return last?.build === build ? last : null;
}

/** Erases the inboxes of all users, since none is signed in. @returns {Promise<void>} */
export async function eraseSnapshots() {
  if (typeof indexedDB === 'undefined') return;
  await database.transaction('readwrite', (snapshots) => snapshots.clear()).catch(() => {});
}
