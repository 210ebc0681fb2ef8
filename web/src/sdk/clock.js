/**
 * Time and chance, as they are handed in. Tests hand in their own.
 *
 * @typedef {{
 *   now: () => number,
 *   random: () => number,
 *   after: (milliseconds: number, then: () => void) => unknown,
 *   stop: (timer: unknown) => void,
 * }} Clock
 */

/** The clock of the browser. @returns {Clock} */
export function realClock() {
  return {
    now: () => Date.now(),
    random: () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32,
    after: (milliseconds, then) => setTimeout(then, milliseconds),
    stop: (timer) => clearTimeout(/** @type {ReturnType<typeof setTimeout>} */ (timer)),
  };
}

/** How long to wait before the attempt after `failures` of them: doubled each time, half of it by chance, so that
 * those who lost the same server do not come back at the same moment.
 * @param {number} failures @param {number} random from 0 to 1 @param {{base: number, most: number}} bounds */
export function backoffDelay(failures, random, { base, most }) {
  const full = Math.min(most, base * 2 ** Math.min(failures, 16));
  return Math.round(full / 2 + (full / 2) * random);
}
