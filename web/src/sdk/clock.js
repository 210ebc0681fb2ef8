/**
 * Time and randomness. They are passed in, so that tests control them.
 *
 * @typedef {{
 *   now: () => number,
 *   random: () => number,
 *   after: (milliseconds: number, then: () => void) => unknown,
 *   stop: (timer: unknown) => void,
 * }} Clock
 */

/** Returns the clock of the browser. @returns {Clock} */
export function realClock() {
  return {
    now: () => Date.now(),
    random: () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32,
    after: (milliseconds, then) => setTimeout(then, milliseconds),
    stop: (timer) => clearTimeout(/** @type {ReturnType<typeof setTimeout>} */ (timer)),
  };
}

/** Returns how long to wait after a number of failures: the delay doubles each time, and half of it is random, so that
 * clients that lost the same server do not come back at the same moment. @param {number} failures @param {number}
 * random between 0 and 1 @param {{base: number, most: number}} bounds */
export function backoffDelay(failures, random, { base, most }) {
  const full = Math.min(most, base * 2 ** Math.min(failures, 16));
  return Math.round(full / 2 + (full / 2) * random);
}
