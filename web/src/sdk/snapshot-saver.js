/**
 * When the state is kept on the device: soon after the first connection, then at most once a minute, and when the page
 * is left; each time only if it has changed.
 *
 * Invariant: what is on the device is the last known state or nothing. If that is too much to keep, or the device has no
 * room, what was kept before is erased.
 *
 * @import {Clock} from './clock.js'
 * @import {Snapshots} from './snapshots.js'
 * @import {State} from './state/state.js'
 */
import { noSnapshots } from './snapshots.js';

const FIRST_MS = 5_000;
const AGAIN_MS = 60_000;

export class SnapshotSaver {
  #isChanged = false;
  #wasSaved = false;
  #isStopped = false;
  /** @type {unknown} */
  #timer = null;

  /** @param {{clock: Clock, snapshots: Snapshots, state: () => State, isConnected: () => boolean}} parts */
  constructor({ clock, snapshots, state, isConnected }) {
    this.clock = clock;
    this.snapshots = snapshots;
    this.state = state;
    this.isConnected = isConnected;
  }

  changed() {
    if (this.snapshots === noSnapshots) return;
    this.#isChanged = true;
    this.connected();
  }

  /** There is a connection, which a change may have waited for. */
  connected() {
    if (!this.#isChanged || this.#isStopped || !this.isConnected()) return;
    this.#timer ??= this.clock.after(this.#wasSaved ? AGAIN_MS : FIRST_MS, () => void this.save());
  }

  /** Keeps the state, as far as `snapshot.js` says. Without a connection it does not change, and the session may have
   * ended. */
  async save() {
    this.clock.stop(this.#timer);
    this.#timer = null;
    if (!this.#isChanged) return;
    const part = await import('./snapshot.js').catch(() => null);
    if (!part || this.#isStopped || !this.isConnected() || !part.isLoaded(this.state())) return;
    this.#isChanged = false;
    this.#wasSaved = true;
    const kept = part.keptState(this.state());
    if (kept) await this.snapshots.save(kept, this.clock.now());
    else await this.snapshots.erase('mine');
  }

  stop() {
    this.#isStopped = true;
    this.clock.stop(this.#timer);
  }
}
