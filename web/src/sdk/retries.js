/**
 * Retries of failed requests, each under a key, with growing delays.
 *
 * @import {Clock} from './clock.js'
 */
import { backoffDelay } from './clock.js';
import { endsSession } from './problem.js';
import { isNotFound } from './queries.js';

const RETRY = { base: 1_000, most: 30_000 };

export class Retries {
  /** @type {Map<string, unknown>} */
  #timers = new Map();
  /** The number of failures in a row, by key. @type {Map<string, number>} */
  #failures = new Map();
  /** @type {Map<string, () => void>} */
  #actions = new Map();

  /** @param {Clock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  /** @param {string} key @returns {boolean} whether the last attempt failed */
  hasFailed(key) {
    return this.#failures.has(key);
  }

  /** @param {string} key @returns {boolean} whether a timer is running */
  isWaiting(key) {
    return this.#timers.has(key);
  }

  /** Counts a failure. @param {string} key @returns {number} the delay before the next attempt, in milliseconds */
  fail(key) {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    return backoffDelay(failures, this.clock.random(), RETRY);
  }

  /** Forgets that a key has failed. @param {string} key @returns {boolean} whether it had */
  succeed(key) {
    return this.#failures.delete(key);
  }

  /** Runs something later, in place of what was scheduled under the same key.
   * @param {string} key @param {number} milliseconds @param {() => void} action */
  schedule(key, milliseconds, action) {
    this.clock.stop(this.#timers.get(key));
    this.#timers.set(key, this.clock.after(milliseconds, () => {
      this.#timers.delete(key);
      action();
    }));
  }

  /** Retries a failed request after its delay, or as soon as the connection is back.
   * @param {string} key @param {unknown} error @param {() => void} action */
  retryLater(key, error, action) {
    if (endsSession(error) || isNotFound(error)) return;
    const delay = this.fail(key);
    this.#actions.set(key, action);
    this.schedule(key, delay, () => {
      this.#actions.delete(key);
      action();
    });
  }

  /** Stops the timer of a key. @param {string} key */
  cancel(key) {
    this.clock.stop(this.#timers.get(key));
    this.#timers.delete(key);
  }

  /** Forgets a key: its request succeeded or is no longer needed. @param {string} key */
  clear(key) {
    this.cancel(key);
    this.#failures.delete(key);
    this.#actions.delete(key);
  }

  /** Forgets every key that has failed. @returns {(() => void)[]} what was to be retried */
  takeFailed() {
    const actions = [...this.#actions.values()];
    for (const key of [...this.#failures.keys()]) this.clear(key);
    return actions;
  }

  reset() {
    for (const timer of this.#timers.values()) this.clock.stop(timer);
    for (const all of [this.#timers, this.#failures, this.#actions]) all.clear();
  }
}
