/**
 * The last known inbox on this device, for a start without a connection. Like the outbox, it belongs to one user, and is
 * erased when they sign out, when their session ends, and when another user signs in.
 *
 * @import {Clock} from './clock.js'
 * @import {Snapshot} from './snapshot.js'
 */
import { Database, resultOf, eraseKeys } from './database.js';

/** @typedef {{save: (state: Snapshot['state'], savedAt: number) => Promise<void>,
 *   erase: (whose: 'mine'|'others') => Promise<void>}} Snapshots */

/** An older inbox says too little about today. */
const AGE_MS_MAX = 30 * 24 * 3_600_000;
/** How long a start waits for the device. */
const PATIENCE_MS = 2_000;

const database = new Database('parlor-inbox', 'snapshots');

/** Used where nothing is kept. @type {Snapshots} */
export const noSnapshots = { save: () => Promise.resolve(), erase: () => Promise.resolve() };

/** Returns the snapshots of this browser. @param {Omit<Snapshot, 'state'|'savedAt'>} about
 * @param {() => boolean} isSignedIn whether nobody else has signed in since, in any tab @returns {Snapshots} */
export function browserSnapshots(about, isSignedIn) {
  if (typeof indexedDB === 'undefined') return noSnapshots;
  const prefix = `${about.user}:`;
  const erase = (/** @type {'mine'|'others'} */ whose) => eraseKeys(database, prefix, whose);
  return {
    save: async (state, savedAt) => {
      if (!isSignedIn()) return;
      // What cannot be kept is loaded again; what was kept before would be too old.
      await database.transaction('readwrite', (snapshots) => resultOf(snapshots.put({ ...about, state, savedAt }, `${prefix}inbox`)))
        .catch(() => erase('mine'));
    },
    erase,
  };
}

/** Returns the last known inbox, if the same scripts kept it. What is too old or cannot be read is erased; a device that
 * does not answer is not waited for. @param {string} build @param {Clock} clock @returns {Promise<Snapshot|null>} */
export async function lastSnapshot(build, clock) {
  if (typeof indexedDB === 'undefined') return null;
  /** @type {Promise<unknown[]|null>} */
  const reading = database.transaction('readonly', (snapshots) => resultOf(snapshots.getAll())).catch(() => null);
  const all = await Promise.race([reading, late(clock)]);
  if (all === 'late') return null;
  const kept = (all ?? []).filter(isSnapshot).filter(({ savedAt }) => clock.now() - savedAt <= AGE_MS_MAX);
  if (all === null || kept.length < all.length) void eraseSnapshots();
  const [last] = kept.sort((one, other) => other.savedAt - one.savedAt);
  return last?.build === build ? last : null;
}

/** @param {Clock} clock @returns {Promise<'late'>} */
function late(clock) {
  return new Promise((resolve) => {
    clock.after(PATIENCE_MS, () => resolve('late'));
  });
}

/** Returns whether it has the shape of a snapshot, as far as the first paint depends on it. @param {unknown} value
 * @returns {value is Snapshot} */
function isSnapshot(value) {
  const { user, savedAt, site, state } = /** @type {Partial<Snapshot>} */ (value ?? {});
  const maps = [state?.conversations, state?.threads, state?.users, state?.settings];
  return typeof user === 'number' && typeof savedAt === 'number' && typeof site?.name === 'string'
    && maps.every((one) => one instanceof Map);
}

/** Erases the inboxes of all users, since none is signed in. @returns {Promise<void>} */
export async function eraseSnapshots() {
  if (typeof indexedDB === 'undefined') return;
  await database.transaction('readwrite', (snapshots) => snapshots.clear()).catch(() => {});
}
