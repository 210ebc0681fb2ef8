/**
 * Ids for what a client creates: UUIDs that begin with the time (RFC 9562, version 7). They are the fastest to store
 * and never decrease within one page, not even within a millisecond.
 *
 * @import {Clock} from './clock.js'
 */

/** @param {Clock} clock @returns {() => string} */
export function createIdGenerator(clock) {
  let time = 0;
  let count = 0;
  /** @param {number} bits @returns {number} */
  const randomBits = (bits) => Math.floor(clock.random() * 2 ** bits);
  return () => {
    const now = clock.now();
    if (now > time) {
      time = now;
      count = randomBits(11);
    } else if (++count > 0xfff) {
      time += 1;
      count = 0;
    }
    const hex = (/** @type {number} */ number, /** @type {number} */ digits) =>
      number.toString(16).padStart(digits, '0');
    const head = hex(time, 12);
    const variant = hex(0x8000 | randomBits(14), 4);
    const tail = hex(randomBits(24), 6) + hex(randomBits(24), 6);
    return `${head.slice(0, 8)}-${head.slice(8)}-${hex(0x7000 | count, 4)}-${variant}-${tail}`;
  };
}
