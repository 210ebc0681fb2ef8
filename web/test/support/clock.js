/**
 * A clock that moves only on request, and random numbers from a seed.
 *
 * @import {Clock} from '../../src/sdk/clock.js'
 */

/** @returns {Clock & {advance(milliseconds: number): Promise<void>, waiting(): number}} */
export function manualClock(seed = 1) {
  let now = 1_763_800_000_000;
  let state = seed >>> 0;
  let next = 1;
  /** @type {Map<number, {at: number, then: () => void}>} */
  const timers = new Map();
  return {
    now: () => now,
    random: () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    },
    after: (milliseconds, then) => {
      const id = next++;
      timers.set(id, { at: now + milliseconds, then });
      return id;
    },
    stop: (timer) => void timers.delete(/** @type {number} */ (timer)),
    waiting: () => timers.size,
    async advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        await flushPromises();
        const [due] = [...timers].filter(([, timer]) => timer.at <= end)
          .sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
        if (!due) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].then();
      }
      now = end;
      await flushPromises();
    },
  };
}

/** Waits until all pending promises have settled. @returns {Promise<void>} */
export function flushPromises() {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
